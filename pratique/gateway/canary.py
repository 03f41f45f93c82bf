"""A marked message of our own around the whole way: held, handed over, released by the manager, come back, discarded.

It can reach no person: its one recipient is at a host of the quarantine's own (delivery/routes.py), for which no route
can be set, to which nobody outside may send, and whose mail is discarded. A manager releases it because of that
recipient; one that does not know canaries holds it like any mail, and then it is lost as a canary and nothing else.
Every step is an ordinary move with its audit row.
"""

import asyncio
from dataclasses import dataclass

from pratique.delivery.routes import CANARY_HOST
from pratique.gateway.apply import NoManager, Planner, Reception
from pratique.gateway.judging import Outlets
from pratique.gateway.pipeline import Judged, Source
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.mail.received import rfc5322_date
from pratique.policy.decision import Decision, Disposition, QuarantineWish
from pratique.policy.facts import Message
from pratique.quarantine.kinds import UNCLASSIFIED, Kind
from pratique.runner.services import Services
from pratique.store.interface import Stored
from pratique.store.moves import Accept
from pratique.store.records import Copy
from pratique.telemetry import events as log
from pratique.transfer.metadata import Client, Trace

RETURN_SECONDS = 15.0  # a healthy pair needs a few commits; a busy one some seconds
HERE = "127.0.0.1"
RETURN_HOP = 2
_WISH = QuarantineWish(UNCLASSIFIED, Kind.UNCLASSIFIED.value, ("canary",))
_ENVELOPE = Envelope("", (Recipient(f"canary@{CANARY_HOST}"),))


@dataclass(frozen=True, slots=True)
class Flight:
    """How a canary fared. `why`: "" = it came back and was discarded."""

    mid: int
    seconds: float
    why: str


class Canary:
    def __init__(self, services: Services, planner: Planner, outlets: Outlets) -> None:
        self._services = services
        self._planner = planner
        self._outlets = outlets
        self._flying: dict[str, asyncio.Future[None]] = {}  # by cid
        self.last: Flight | None = None

    async def fly(self) -> Flight:
        """Send one and wait for it. Raises StoreFailed when it cannot even be stored."""
        began = self._services.clock.monotonic()
        reception, octets = self._reception()
        try:
            plan = self._planner.plan(reception, _judged(octets))
        except NoManager:
            self._services.store.spool.drop([reception.stored.extent])
            return self._ended(reception, began, "no manager is enrolled")
        landed = self._flying[reception.cid] = asyncio.get_running_loop().create_future()
        try:
            await self._services.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))
            for line in plan.lines:
                self._services.telemetry.emit(line)
            self._outlets.transfer(plan.copies[0], octets)
            async with asyncio.timeout(RETURN_SECONDS):
                await landed
        except TimeoutError:
            return self._ended(reception, began, self._where(reception))
        finally:
            del self._flying[reception.cid]
        return self._ended(reception, began, "")

    @property
    def flies(self) -> bool:
        return bool(self._flying)

    def finished(self, copy: Copy) -> None:
        """No delivery of this copy is open any more."""
        landed = self._flying.get(copy.cid)
        if landed is not None and copy.hop == RETURN_HOP and not landed.done():
            landed.set_result(None)

    def _ended(self, reception: Reception, began: float, why: str) -> Flight:
        seconds = self._services.clock.monotonic() - began
        emit, mid, cid = self._services.telemetry.emit, reception.mid, reception.cid
        if why:
            emit(log.CanaryLost(mid=mid, why=why, cid=cid))
        else:
            emit(log.CanaryReturned(mid=mid, seconds=round(seconds, 3), cid=cid))
        self.last = Flight(mid, seconds, why)
        return self.last

    def _where(self, reception: Reception) -> str:
        """How far it came."""
        view = self._services.store.view
        transfer = view.transfer(reception.cid, 1)
        if view.copy_of_hop(reception.cid, RETURN_HOP) is not None:
            return "it came back and was not discarded in time"
        if transfer is not None and transfer.state == "DONE":
            return "the manager has it and did not release it in time"
        return "the manager has not acknowledged it in time"

    def _reception(self) -> tuple[Reception, bytes]:
        """A message in the spool; the store does not know it yet. Raises StoreFailed."""
        services = self._services
        now, mid = services.clock.now_ms(), services.store.next_mid()
        cid = make_cid(now, services.clock.random(10))
        octets = _message(services.name, cid, now)
        reception = Reception(
            mid=mid,
            cid=cid,
            icid=0,
            at=now,
            source=Source(
                remote_ip=HERE,
                remote_host=services.name,
                helo=services.name,
                listener="",
                interface="Management",
                table="outbound",
                now_ms=now,
            ),
            client=Client(ip=HERE, port=0, helo=services.name),
            trace=Trace(from_helo=services.name, from_ip=HERE, by=services.name, with_="LOCAL", id=str(mid), at=now),
            envelope=_ENVELOPE,
            stored=self._store(octets),
            octets=octets,
            actor="system",
        )
        return reception, octets

    def _store(self, octets: bytes) -> Stored:
        writer = self._services.store.spool.writer()
        writer.write(octets)
        return writer.finish()


def _judged(octets: bytes) -> Judged:
    disposition = Disposition((0,), "CANARY", "deliver", quarantines=(_WISH,))
    return Judged(Decision((disposition,)), Message("canary", "", "", (), (), len(octets)), ())


def _message(name: str, cid: str, now: int) -> bytes:
    lines = (
        f"From: MAILER-DAEMON@{name}",
        f"To: canary@{CANARY_HOST}",
        "Subject: canary",
        f"Message-ID: <{cid}@{name}>",
        f"Date: {rfc5322_date(now)}",
        "Auto-Submitted: auto-generated",
        "",
        "This message proves that held mail reaches the manager and that released mail comes back.",
        "It is discarded where it began; nobody receives it.",
        "",
    )
    return "\r\n".join(lines).encode()
