"""Suspend and resume: receiving by listener, delivery, a manager's transfers, the work queue.

Durable before it takes effect, so that a restart changes nothing. Whoever suspends waits until what was under way has
ended, or until his seconds are over; then it is broken off, but never a message whose end was sent to a foreign host.
"""

import json
from collections.abc import Iterable
from dataclasses import replace

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.runner.suspension import CPQ_LISTENER, Suspension, suspended, system_status

SECONDS = 30  # how long what is under way may go on, when nobody says
SECONDS_MAX = 3_600
REASON_CHARS = 200

__all__ = [
    "CPQ_LISTENER",
    "SECONDS",
    "listeners",
    "pause_work_queue",
    "resume_delivery",
    "resume_listeners",
    "resume_transfers",
    "resume_work_queue",
    "standing",
    "suspend_delivery",
    "suspend_listeners",
    "suspend_transfers",
    "system_status",
]


@command("suspension", Permission.STATUS)
async def standing(desk: Desk, person: Person) -> Suspension:
    """What is suspended."""
    return suspended(desk.store.view)


@command("listeners", Permission.STATUS)
async def listeners(desk: Desk, person: Person) -> tuple[str, ...]:
    """Names of the listeners; the quarantine port is cpq_listener."""
    return desk.queues.listeners()


@command("suspend-listeners", Permission.QUEUE)
async def suspend_listeners(desk: Desk, person: Person, names: tuple[str, ...], seconds: int) -> None:
    """These listeners take nothing until they are resumed. Returns when their sessions have ended."""
    now = suspended(desk.store.view)
    wanted = _known(desk, names)
    both = tuple(name for name in desk.queues.listeners() if name in now.listeners or name in wanted)
    await _let(desk, person, replace(now, listeners=both), "suspend-listeners", names=wanted)
    await desk.queues.quiet(_seconds(seconds), receiving=True)


@command("resume-listeners", Permission.QUEUE)
async def resume_listeners(desk: Desk, person: Person, names: tuple[str, ...]) -> None:
    """These listeners take mail again."""
    now = suspended(desk.store.view)
    wanted = _known(desk, names)
    left = tuple(name for name in now.listeners if name not in wanted)
    await _let(desk, person, replace(now, listeners=left), "resume-listeners", names=wanted)


@command("suspend-delivery", Permission.QUEUE)
async def suspend_delivery(desk: Desk, person: Person, seconds: int) -> None:
    """Nothing leaves until delivery is resumed, neither to other hosts nor to the other appliances."""
    await _let(desk, person, replace(suspended(desk.store.view), delivery=True), "suspend-delivery")
    await desk.queues.quiet(_seconds(seconds), receiving=False)


@command("resume-delivery", Permission.QUEUE)
async def resume_delivery(desk: Desk, person: Person) -> None:
    """What waits leaves again."""
    await _let(desk, person, replace(suspended(desk.store.view), delivery=False), "resume-delivery")


@command("suspend-transfers", Permission.QUEUE)
async def suspend_transfers(desk: Desk, person: Person, seconds: int) -> None:
    """A manager takes no mail to be held; gateways keep it. Releases go on."""
    _manager(desk)
    await _let(desk, person, replace(suspended(desk.store.view), transfers=True), "suspend-transfers")
    await desk.queues.quiet(_seconds(seconds), receiving=True)


@command("resume-transfers", Permission.QUEUE)
async def resume_transfers(desk: Desk, person: Person) -> None:
    """A manager takes mail to be held again."""
    _manager(desk)
    await _let(desk, person, replace(suspended(desk.store.view), transfers=False), "resume-transfers")


@command("pause-work-queue", Permission.QUEUE)
async def pause_work_queue(desk: Desk, person: Person, reason: str) -> None:
    """A gateway takes mail and judges none of it until the work queue is resumed."""
    _gateway(desk)
    why = f"{person.name}: {reason[:REASON_CHARS]}" if reason else person.name
    await _let(desk, person, replace(suspended(desk.store.view), work_queue=why), "pause-work-queue")


@command("resume-work-queue", Permission.QUEUE)
async def resume_work_queue(desk: Desk, person: Person) -> None:
    """A gateway judges what waits, and all that comes."""
    _gateway(desk)
    await _let(desk, person, replace(suspended(desk.store.view), work_queue=""), "resume-work-queue")


async def _let(desk: Desk, person: Person, now: Suspension, action: str, *, names: Iterable[str] = ()) -> None:
    detail = json.dumps({"listeners": list(names)} if names else {"work_queue": now.work_queue})
    desk.queues.listeners()  # refuses where nothing runs: nobody would see it take effect
    await desk.store.submit(now.put((audit(person, action, detail=detail),)))
    desk.queues.apply(now)


def _known(desk: Desk, names: tuple[str, ...]) -> tuple[str, ...]:
    there = {name.lower(): name for name in desk.queues.listeners()}
    unknown = [name for name in names if name.lower() not in there]
    if unknown or not names:
        told = ", ".join(map(ascii, unknown)) or "nothing"
        raise CommandRefused(Why.INVALID, f"{told} is no listener; there are: {', '.join(there.values())}")
    return tuple(there[name.lower()] for name in names)


def _seconds(seconds: int) -> int:
    if not 0 <= seconds <= SECONDS_MAX:
        raise CommandRefused(Why.INVALID, f"wait 0 to {SECONDS_MAX} seconds")
    return seconds


def _manager(desk: Desk) -> None:
    if desk.role != "manager":
        raise CommandRefused(Why.CONFLICT, "a gateway has no transfers to suspend; see suspenddel")


def _gateway(desk: Desk) -> None:
    if desk.role != "gateway":
        raise CommandRefused(Why.CONFLICT, "a manager judges no mail, so it has no work queue")
