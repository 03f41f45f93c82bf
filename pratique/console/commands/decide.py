"""What a reviewer does with held messages: release, delete, delay, move, send a copy; and where a release goes.

Each acts on many messages in one quarantine and says on how many it really acted: a message that is unknown, decided
already, or in a quarantine that the person may not see is none (docs/rest.md). Marks are
given by Acts.decide alone, with actor and audit row in the same commit.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, actor_of, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.commands.search import named
from pratique.mail.envelope import Envelope
from pratique.manager.copies import BadAddress, envelope_of
from pratique.quarantine.kinds import HOUR_S, Kind
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.quarantine.retention import RETENTION_S_MAX
from pratique.store.moves import DelayExit, MoveHold, MoveRefused
from pratique.store.records import Hold

AT_ONCE = 64  # decisions that share commits; more would only lengthen the loop's turn
MIDS_MAX = 10_000  # of one call
MID_MAX = (1 << 63) - 1

DELAYS = {"8h": (8, "8 hours"), "24h": (24, "24 hours"), "48h": (48, "48 hours"), "1w": (168, "1 week")}


@command("release", Permission.PROCESS)
async def release(desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str) -> int:
    """Release messages from the named quarantine; a message leaves when it is released from all. Returns how many."""
    return await _mark(desk, person, mids, quarantine, Mark.RELEASED)


@command("delete", Permission.PROCESS)
async def delete(desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str) -> int:
    """Delete messages in the named quarantine; they will never be delivered. Returns how many."""
    return await _mark(desk, person, mids, quarantine, Mark.DELETED)


async def _mark(desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str, mark: Mark) -> int:
    names = named(quarantine, dict(desk.quarantines(person)))

    async def act(mid: int) -> bool:
        done = False
        for name in names:
            decided = await desk.acts.decide(mid, name, mark, Cause.MANUAL, actor_of(person))
            done = done or decided.done
        return done

    return await _each(mids, act) if names else 0


@command("delay", Permission.PROCESS)
async def delay(desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str, period: str) -> int:
    """Put off the scheduled exit from the named quarantine by 8h, 24h, 48h or 1w. Returns of how many messages."""
    if period not in DELAYS:
        raise CommandRefused(Why.INVALID, f"delay must be one of {', '.join(DELAYS)}")
    hours, _ = DELAYS[period]
    names = named(quarantine, dict(desk.quarantines(person)))
    latest = desk.clock.now_ms() + RETENTION_S_MAX * 1_000

    async def act(mid: int) -> bool:
        done = False
        for hold in _held(desk, mid, names):
            exit_at = min(hold.exit_at + hours * HOUR_S * 1_000, latest)
            detail = json.dumps({"quarantine": hold.quarantine, "exit_at": exit_at})
            entry = audit(person, "delay", mid, detail=detail)
            done = await _moved(desk, DelayExit(mid, hold.quarantine, exit_at, (entry,))) or done
        return done

    return await _each(mids, act) if names else 0


@command("move", Permission.PROCESS)
async def move(desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str, target: str) -> int:
    """Move messages from one policy quarantine to another; exit time and reasons stay. Returns how many."""
    seen = desk.quarantines(person)
    if target not in seen:
        raise CommandRefused(Why.INVALID, "there is no such destination quarantine")
    if seen[target].kind != Kind.POLICY:
        raise CommandRefused(Why.INVALID, "messages can be moved only to a policy quarantine")
    names = tuple(name for name in named(quarantine, dict(seen)) if name != target)
    if any(seen[name].kind not in (Kind.POLICY, Kind.UNCLASSIFIED) for name in names):
        raise CommandRefused(Why.INVALID, "messages can be moved only between policy quarantines")

    async def act(mid: int) -> bool:
        done = False
        for hold in _held(desk, mid, names):
            detail = json.dumps({"from": hold.quarantine, "to": target})
            entry = audit(person, "move", mid, detail=detail)
            done = await _moved(desk, MoveHold(mid, hold.quarantine, target, (entry,))) or done
        return done

    return await _each(mids, act) if names else 0


@command("copy", Permission.COPY)
async def send_copy(
    desk: Desk, person: Person, mids: tuple[int, ...], quarantine: str, recipients: tuple[str, ...]
) -> int:
    """Send a copy of messages held in the named quarantine to other addresses, by the gateway that caught them; the
    messages stay as they are. Returns of how many."""
    names = named(quarantine, dict(desk.quarantines(person)))

    async def act(mid: int) -> bool:
        for name in names:
            if (await desk.acts.send_copy(mid, name, recipients, actor_of(person))).done:
                return True
        return False

    try:
        envelope_of(Envelope("", ()), recipients)
        return await _each(mids, act) if names else 0
    except BadAddress as error:
        raise CommandRefused(Why.INVALID, str(error)) from error


@command("retarget", Permission.ADMINISTER)
async def retarget(desk: Desk, person: Person, mid: int, to: str, *, override: bool) -> str:
    """Send a release that is on its way to another gateway; with override even while the first may have it, which may
    deliver it twice. Returns what was done, in words."""
    decided = await desk.acts.retarget(mid, to, actor_of(person), override=override)
    if not decided.done:
        raise CommandRefused(Why.CONFLICT, decided.why)
    return decided.said


def _held(desk: Desk, mid: int, names: tuple[str, ...]) -> list[Hold]:
    return [h for h in desk.store.view.holds(mid) if h.quarantine in names and h.mark == Mark.HELD]


async def _moved(desk: Desk, step: DelayExit | MoveHold) -> bool:
    try:
        await desk.store.submit(step)
    except MoveRefused:
        return False  # decided by somebody else since it was read
    return True


async def _each(mids: tuple[int, ...], act: Callable[[int], Awaitable[bool]]) -> int:
    """How many of the messages were acted on. A failure of the store ends it after the round in hand."""
    if len(mids) > MIDS_MAX:
        raise CommandRefused(Why.INVALID, f"at most {MIDS_MAX} messages at a time")
    wanted = [mid for mid in dict.fromkeys(mids) if 0 < mid <= MID_MAX]
    done = 0
    for start in range(0, len(wanted), AT_ONCE):
        outcomes = await asyncio.gather(*map(act, wanted[start : start + AT_ONCE]), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            done += outcome
    return done
