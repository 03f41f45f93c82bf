"""People and their commands: reviewers who decide the same message at once, and whoever looks after a gateway's own
copies. They use the commands of the console, as the REST API and the command line do.
"""

import asyncio
from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands import decide, status
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import CommandRefused
from pratique.manager.release import Actor
from pratique.store.moves import StoreFailed

REVIEWERS = tuple(Person(name, "administrator", "password", session=name) for name in ("carol", "dave", "erin"))
ADMINISTRATOR = Actor("carol", "administrator", "password", "carol")
ACTS = ("release", "release", "release", "delete", "delay", "move", "release all", "race")
LOOK_SECONDS = 20.0


class Operators:
    def __init__(self, world: Any) -> None:
        self._world = world
        self._seen: set[int] = set()
        self.acts = 0

    def begin(self) -> None:
        self._world.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Somebody opens the list: each newly held message meets some acts, at some time."""
        world = self._world
        if world.faults.is_over:
            return
        random = world.random
        for mid, copy in list(world.manager.rows.copies.items()):
            if copy.custody == "HELD" and mid not in self._seen:
                self._seen.add(mid)
                count = int(world.plan.operators) + (random.random() < world.plan.operators % 1)
                for _ in range(count):
                    world.loop.call_later(random.uniform(0.0, min(world.plan.span, 3_600.0)), self._act, mid)
        self._own()
        world.loop.call_later(LOOK_SECONDS * random.uniform(0.5, 4.0), self._look)

    def _run(self, appliance: Any, act: Any, name: str) -> None:
        """`act(desk)` as the appliance's own code; what it refuses is said to whoever asked."""
        life = appliance.life
        if not appliance.is_up or life.role is None or life.stopping:
            return
        self.acts += 1
        desk = Desk(life.services.name, appliance.role, "0", life.store, appliance.clock, life, appliance.acts())

        async def refused_is_fine() -> None:
            try:
                done = await act(desk)
                self._world.note("operator", f"{name}: {done}")
            except (CommandRefused, StoreFailed) as refused:
                self._world.note("operator", f"{name}: {refused}")

        self._world.spawn(refused_is_fine(), f"operator: {name}", context=life.fresh_context())

    def _act(self, mid: int) -> None:
        world, random = self._world, self._world.random
        act, reviewer = random.choice(ACTS), random.choice(REVIEWERS)
        holds = [h for h in world.manager.rows.holds.get(mid, ()) if h.mark == "HELD"]
        if not holds:
            return
        name = random.choice(holds).quarantine
        if act == "race":
            self._run(world.manager, lambda desk: self._race(desk, mid, name), f"race for MID {mid}")
        elif act == "release all":
            for hold in holds:
                self._simple("release", mid, hold.quarantine, reviewer)
        else:
            self._simple(act, mid, name, reviewer)

    def _simple(self, act: str, mid: int, name: str, reviewer: Person) -> None:
        text = f"{reviewer.name}: {act} MID {mid} in {name}"
        self._run(self._world.manager, lambda desk: _do(act, desk, reviewer, mid, name), text)

    async def _race(self, desk: Desk, mid: int, name: str) -> Any:
        acts = [
            _do(act, desk, who, mid, name) for act, who in zip(("release", "delete", "move"), REVIEWERS, strict=True)
        ]
        self._world.random.shuffle(acts)
        return await asyncio.gather(*acts, return_exceptions=True)

    def _own(self) -> None:
        """Copies that the manager did not take are delivered, or now and then given up."""
        for gateway in self._world.gateways:
            mids = tuple(mid for mid, copy in gateway.rows.copies.items() if copy.custody == "LOC")
            if mids:
                act = status.deliver_own if self._world.random.random() < 0.8 else status.give_up_own
                self._run(gateway, lambda desk, act=act, mids=mids: act(desk, REVIEWERS[0], mids), f"own copies {mids}")

    def override(self) -> None:
        """Somebody sends a release that is in doubt to the other gateway, on record."""
        world = self._world
        for transfer in list(world.manager.rows.transfers.values()):
            if transfer.state in ("X", "CANC"):
                other = next(g for g in world.gateways if g.serial != transfer.peer)

                async def act(desk: Desk, mid: int = transfer.mid, to: str = other.serial) -> Any:
                    return await desk.acts.manager.retarget(mid, to, ADMINISTRATOR, override=True)

                self._run(world.manager, act, f"override MID {transfer.mid} to {other.name}")
                return

    def tidy(self) -> None:
        """After the faults: releases that no gateway has taken go to another one, own copies are delivered."""
        self._own()
        world = self._world
        for transfer in list(world.manager.rows.transfers.values()):
            copy = world.manager.rows.copies[transfer.mid]
            if transfer.state == "CANC" and copy.custody == "REL" and not world.is_cancelled_by_all(transfer):
                other = next(g for g in world.gateways if g.serial != transfer.peer)

                async def act(desk: Desk, mid: int = transfer.mid, to: str = other.serial) -> Any:
                    return await desk.acts.manager.retarget(mid, to, ADMINISTRATOR)

                self._run(world.manager, act, f"MID {transfer.mid} to {other.name}")


async def _do(act: str, desk: Desk, reviewer: Person, mid: int, name: str) -> Any:
    match act:
        case "release":
            return await decide.release(desk, reviewer, (mid,), name)
        case "delete":
            return await decide.delete(desk, reviewer, (mid,), name)
        case "delay":
            return await decide.delay(desk, reviewer, (mid,), name, "8h")
        case _:
            return await decide.move(desk, reviewer, (mid,), name, "Policy" if name != "Policy" else "Secret")
