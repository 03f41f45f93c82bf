"""Short lives of an appliance: together they make every durable call there is. Each begins from a saved state.

`run` acts and waits until the world is at rest; whatever ends meanwhile is started again by World.tend.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pratique.gateway.pipeline import Pipeline
from proof.durable.ledger import End, Promise
from proof.durable.place import Plan
from proof.durable.world import World

LARGE = 10_000  # octets: beyond pace.MEMORY_BYTES, so the body has a file of its own
DAYS_MS = 40 * 86_400_000  # beyond every retention


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    covers: str
    saved: str  # the state it begins from
    run: Callable[[World], None]
    victims: tuple[str, ...]
    running: tuple[str, ...] = ("manager", "gateway")
    from_start: bool = False
    ahead_ms: int = 0
    change: Callable[[], None] | None = None
    before: tuple[tuple[str, End], ...] = ()  # kinds of messages that the saved state has, and how they are to end


# --- what the world is to come to
def _gateway_at_rest(world: World) -> None:
    """Every delivery and transfer of the gateway is over."""
    world.until(
        lambda: (
            world.gateway.count("delivery WHERE state IN ('DUE', 'DOT')") == 0
            and world.gateway.count("transfer WHERE state IN ('Q', 'X')") == 0
            and world.gateway.count("copy WHERE custody IN ('RECEIVED', 'ACTIVE', 'Q', 'X', 'LOC')") == 0
        ),
        "the gateway has finished",
    )


def _manager_in(world: World, *states: str) -> None:
    marks = ", ".join("?" * len(states))
    sql = f"SELECT count(*) FROM copy WHERE custody NOT IN ({marks})"
    world.until(lambda: world.manager.rows(sql, *states) == [(0,)], f"the manager's copies are {states}")


def _bodies_gone(world: World) -> None:
    """What nobody needs gives its space back."""
    idle = "copy WHERE segment IS NOT NULL AND custody IN ('SETTLED', 'CLOSED', 'DEL')"
    world.until(lambda: all(p.count(idle) == 0 for p in world.running), "bodies that nobody needs are let go")


# --- the acts
def _deliver(world: World) -> None:
    world.send("plain", End.DELIVERED)
    world.send("plain", End.DELIVERED, size=LARGE)
    world.break_off(size=2 * LARGE)
    for _ in range(6):
        world.send("plain", End.DELIVERED, size=3000)
    _gateway_at_rest(world)
    _bodies_gone(world)


def _bounce(world: World) -> None:
    world.send("plain", End.BOUNCED)
    world.send("plain", End.BOUNCED, size=LARGE)
    _gateway_at_rest(world)
    _bodies_gone(world)


def _transfer(world: World) -> None:
    world.send("hold", End.HELD)
    world.send("hold", End.HELD, size=LARGE)
    world.send("wait", End.HELD)
    world.until(lambda: world.manager.count("copy WHERE custody = 'HELD'") >= len(_kept(world)), "all is held")
    _gateway_at_rest(world)


def _kept(world: World) -> list[Promise]:
    return [p for p in world.promises if p.answer.startswith("250") and p.end is End.HELD]


def _mids(world: World) -> list[int]:
    return [row[0] for row in world.manager.rows("SELECT mid FROM copy WHERE custody = 'HELD' ORDER BY mid")]


def _release(world: World) -> None:
    world.decide("release", _mids(world))
    _manager_in(world, "CLOSED")
    _gateway_at_rest(world)
    _bodies_gone(world)


def _delete(world: World) -> None:
    world.decide("delete", _mids(world))
    _manager_in(world, "DEL")
    _bodies_gone(world)
    world.until(lambda: world.gateway.count("copy WHERE segment IS NOT NULL") == 0, "the shadows are gone")


def _expire(world: World) -> None:
    _manager_in(world, "CLOSED", "DEL")
    _gateway_at_rest(world)
    _bodies_gone(world)


def _start(world: World) -> None:
    """Only what a start does, after a kill in the middle of work; then all goes on."""
    _gateway_at_rest(world)
    _manager_in(world, "HELD")


def _found(world: World) -> None:
    world.send("plain", End.DELIVERED)
    _gateway_at_rest(world)


def slow_judge() -> None:
    """Every verdict comes late: mail is taken unjudged, and judged from the queue."""
    judge = Pipeline.judge

    async def late(self: Pipeline, *arguments: Any) -> Any:
        await asyncio.sleep(0.01)
        return await judge(self, *arguments)

    Pipeline.judge_now = lambda self, *_: None  # type: ignore[method-assign]
    Pipeline.judge = late  # type: ignore[method-assign,assignment]


HELD = (("hold", End.HELD), ("wait", End.HELD))
BOTH = ("gateway", "manager")
SCENARIOS = {
    s.name: s
    for s in (
        Scenario("deliver", "accept, dot, settle, let go", "new", _deliver, ("gateway",), ("gateway",)),
        Scenario("bounce", "accept, settle with a notice", "new", _bounce, ("gateway",), ("gateway",)),
        Scenario("judge", "accept unjudged, judge late, transfer", "new", _transfer, ("gateway",), change=slow_judge),
        Scenario("transfer", "accept, intend, receive, acknowledge", "new", _transfer, BOTH),
        Scenario(
            "release", "decide, certify, send back, deliver, FIN", "held", _release, BOTH,
            before=(("hold", End.DELIVERED), ("wait", End.DELIVERED)),
        ),
        Scenario(
            "delete", "decide, DEL row, let go at both ends", "held", _delete, BOTH,
            before=(("hold", End.DELETED), ("wait", End.DELETED)),
        ),
        Scenario(
            "expire", "scheduled exits: delete and release", "held", _expire, BOTH, ahead_ms=DAYS_MS,
            before=(("hold", End.DELETED), ("wait", End.DELIVERED)),
        ),
        Scenario(
            "start", "open after a kill, take up what was open", "killed", _start, BOTH, from_start=True, before=HELD
        ),
        Scenario("found", "make a store from nothing", "bare", _found, ("gateway",), ("gateway",), from_start=True),
    )
}  # fmt: skip


def prepare(world: World) -> dict[str, list[Promise]]:
    """Save the states that scenarios begin from; what is promised in each."""
    world.reset("new")
    world.start()
    _transfer(world)
    wrong = world.stop()
    assert not wrong, wrong
    world.save("held")
    held = _kept(world)
    world.reset("new")
    world.start()
    world.manager.stop()
    world.running = [world.gateway]
    for size in (0, LARGE, 0):
        world.send("hold", End.HELD, size=size)
    world.gateway.stop(9)
    world.save("killed")
    killed = _kept(world)
    world.reset("new")
    for name in ("store", "spool", "log"):
        shutil.rmtree(world.gateway.directory / name, ignore_errors=True)
    world.save("bare")
    return {"held": held, "killed": killed}


def begin(world: World, scenario: Scenario, promised: dict[str, list[Promise]]) -> None:
    """Put the world into the scenario's first state; nothing runs yet. Ends are those of the scenario."""
    world.reset(scenario.saved, running=scenario.running)
    ends = dict(scenario.before)
    for promise in promised.get(scenario.saved, []):
        kind = promise.token.rstrip("0123456789")
        world.promises.append(Promise(promise.token, promise.answer, ends[kind], promise.octets))
    for place in world.running:
        change = scenario.change if place.role == "gateway" else None
        place.plan = Plan(ahead_ms=scenario.ahead_ms, change=change, from_start=scenario.from_start)
