"""A person ends a copy that was to go to the manager and has not gone: deleted, or bounced with a notice to the sender.

Only what no manager can have: never offered (Q), or refused for good (LOC). What was offered is refused with the cure:
the manager may hold it, and then ending it here would end nothing, or leave two parties that may act (docs/custody.md).
It is taken back and ended in one commit, so it is never due: it was to be held, perhaps for a virus.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

from pratique.delivery.bounce import Attempted, Hard, Result, notices_due
from pratique.delivery.routes import CPQ_HOST
from pratique.delivery.settings import BounceSettings
from pratique.gateway.apply import deliveries_for
from pratique.gateway.bounce import Bouncer
from pratique.runner.delivery_log import bounced_line
from pratique.runner.giving_up import GIVEN_UP
from pratique.runner.jobs import Answered, Target
from pratique.runner.link_items import Health
from pratique.runner.services import Services, audit
from pratique.store.moves import MoveRefused, Outcome, StoreFailed, TakeBack
from pratique.store.records import Copy, NewCopy, NewDelivery
from pratique.telemetry import events as log

FREE = ("Q", "LOC")
OFFERED = (
    "it was offered to the manager and may be held there; bring the link up (`hoststatus the.cpq.host` says what is "
    "wrong), then release or delete it at the manager"
)
STUCK = "it was offered to the manager, which answered {error!a}; look for it there, and at `pratique doctor` here"
DOUBT = "nobody can know whether it was delivered; `pratique resolve DIR MID --done` or `--deliver` decides"
SET_BACK = (
    "this gateway was set back to an older state, so the manager may have it; it asks the manager when the link is up "
    "(docs/operate/troubleshooting.md)"
)
GONE = "it does not wait any more"


class OwnCopies:
    def __init__(self, services: Services, bouncer: Bouncer, settings: BounceSettings) -> None:
        self._services = services
        self._bouncer = bouncer
        self._settings = settings

    def kept(self, copy: Copy) -> str:
        """Why a copy with open deliveries may not be ended, "" = it may: what came back may be delivered already."""
        return SET_BACK if copy.hop and any(p.set_back_here for p in self._services.store.view.peers()) else ""

    async def end(self, mid: int, actor: str, *, bounced: bool, health: Health | None) -> tuple[str, NewCopy | None]:
        """(why not, "" = it is ended, durably; the notice, which is to be delivered). `health` counts it."""
        copy = self._services.store.view.copy(mid)
        why = self._why_not(copy)
        if copy is None or why:
            return why, None
        deliveries = deliveries_for(copy.envelope, self._services.clock.now_ms())
        try:
            move = self._move(copy, deliveries, actor, bounced)
            await self._services.store.submit(move)
        except MoveRefused:  # offered or decided meanwhile
            return self._why_not(self._services.store.view.copy(mid)) or GONE, None
        except (StoreFailed, OSError) as error:
            return str(error), None
        self._said(copy, actor, deliveries, bounced=bounced, health=health)
        return "", move.spawned[0] if move.spawned else None

    def _why_not(self, copy: Copy | None) -> str:
        if copy is None:
            return GONE
        if copy.custody in FREE:
            return SET_BACK if any(p.set_back_here for p in self._services.store.view.peers()) else ""
        if copy.custody != "X":
            return DOUBT if copy.custody == "DOUBT" else GONE
        transfer = self._services.store.view.release_of(copy.mid)
        stuck = transfer is not None and transfer.state == "STUCK"
        return STUCK.format(error=transfer.error) if stuck and transfer is not None else OFFERED

    def _move(self, copy: Copy, deliveries: tuple[NewDelivery, ...], actor: str, bounced: bool) -> TakeBack:
        word = "bounced" if bounced else "deleted"
        outcomes = tuple(Outcome(d.rid, "FAILED" if bounced else "CANCELLED", f"{word} by {actor}") for d in deliveries)
        spawned = self._notice(copy, deliveries) if bounced else ()
        addresses = [d.address for d in deliveries]
        detail = json.dumps({"was": copy.custody, "hop": copy.hop + 1, "recipients": addresses})
        action = "bounce-recipients" if bounced else "delete-recipients"
        entry = audit(actor, action, copy.mid, copy.cid, detail=detail)
        return TakeBack(copy.mid, deliveries, (entry,), outcomes, spawned)

    def _notice(self, copy: Copy, deliveries: tuple[NewDelivery, ...]) -> tuple[NewCopy, ...]:
        """Never more than the header comes back: what was to be held is not sent to whoever is named as its sender."""
        answers = tuple(Answered(Target(d.rid, d.address, d.notify, d.orcpt), GIVEN_UP) for d in deliveries)
        attempted = [Attempted(d.rid, Result.FAILED, d.notify) for d in deliveries]
        due = notices_due(copy.envelope.sender, attempted, self._settings)
        header_only = replace(copy, envelope=replace(copy.envelope, ret="HDRS"))
        return self._bouncer.notices(header_only, answers, due) if due else ()

    def _said(
        self, copy: Copy, actor: str, deliveries: tuple[NewDelivery, ...], *, bounced: bool, health: Health | None
    ) -> None:
        for line in _lines(copy, actor, deliveries, bounced=bounced):
            self._services.telemetry.emit(line)
        self._services.telemetry.emit(log.Finished(mid=copy.mid, cid=copy.cid))
        if health is None:
            return
        if bounced:
            health.hard_bounced[Hard.OTHER] = health.hard_bounced.get(Hard.OTHER, 0) + 1
        else:
            health.deleted += 1


def _lines(copy: Copy, actor: str, deliveries: tuple[NewDelivery, ...], *, bounced: bool) -> Iterator[log.Event]:
    rids = tuple(d.rid for d in deliveries)
    if not bounced:
        yield log.RecipientsDeleted(mid=copy.mid, rids=rids, domain=CPQ_HOST, actor=actor, cid=copy.cid)
        return
    for rid in rids:
        yield bounced_line(GIVEN_UP, mid=copy.mid, rid=rid, cid=copy.cid)
