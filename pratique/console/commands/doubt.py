"""What a named person does with a copy of which nobody can know whether it was delivered (custody DOUBT)."""

import json

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, actor_of, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.mail.address import domain_of
from pratique.store.moves import EndDoubt, MoveRefused
from pratique.store.records import NewDelivery

LISTED_MAX = 10_000
# A delivery whose last reply begins so is marked as a possible duplicate (runner.deliverer).
REPLY = "in doubt: the appliance was set back to an older state"


@command("doubtful", Permission.STATUS)
async def doubtful(desk: Desk, person: Person) -> tuple[int, ...]:
    """MIDs that wait for a person."""
    mids: tuple[int, ...] = await desk.store.read(lambda view: tuple(view.doubtful(LISTED_MAX)))
    return mids


@command("resolve", Permission.ADMINISTER)
async def resolve(desk: Desk, person: Person, mid: int, *, send: bool, to: str = "") -> str:
    """Deliver it, which may be for the second time, or let it count as delivered. Returns what was done, in words."""
    if desk.role == "manager":
        decided = await desk.acts.resolve(mid, actor_of(person), send=send, to=to)
        if not decided.done:
            raise CommandRefused(Why.CONFLICT, decided.why)
        return decided.said
    return await _resolve_own(desk, person, mid, send)


async def _resolve_own(desk: Desk, person: Person, mid: int, send: bool) -> str:
    copy, now = desk.store.view.copy(mid), desk.clock.now_ms()
    if copy is None or copy.custody != "DOUBT":
        raise CommandRefused(Why.CONFLICT, f"MID {mid}: there is no doubt about it")
    deliveries = tuple(
        NewDelivery(rid, r.address, domain_of(r.address), now, r.notify, r.orcpt)
        for rid, r in enumerate(copy.envelope.recipients)
    )
    entry = audit(person, "resolve", mid, copy.cid, detail=json.dumps({"sent": send, "may_duplicate": send}))
    try:
        await desk.store.submit(EndDoubt(mid, send, person.name, None, deliveries if send else (), REPLY, (entry,)))
    except MoveRefused as refused:
        raise CommandRefused(Why.CONFLICT, refused.why) from refused
    if send:
        desk.acts.deliver(mid)
        return f"MID {mid}: in doubt, is delivered; a possible duplicate, and marked so, by {person.name}"
    return f"MID {mid}: in doubt, counts as delivered, by {person.name}"
