"""A manager's store in memory with one gateway, held copies whose metadata is real, and a log that can be read."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.manager.release import Actor, Releaser
from pratique.net.tasks import Tasks
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.services import Numbers, Services
from pratique.store.memory import MemoryStore
from pratique.store.records import NewCopy
from pratique.telemetry import events as log
from pratique.transfer import metadata as m
from tests.conformance.samples import GATEWAY, MANAGER, OTHER_GATEWAY, SampleClock, Samples, cid_of, hold

CAROL = Actor("carol", "administrator", "password")


@dataclass
class Desk:
    clock: SampleClock = field(default_factory=SampleClock)
    events: list[log.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store: Any = MemoryStore(role="manager", serial=MANAGER, clock=self.clock)
        self.samples = Samples(self.store)
        tasks = Tasks(lambda name, error: self.events.append(log.Fault(error=f"{name}: {error}")))
        self.services = Services("sma.test", self.store, self, self.clock, tasks, Numbers())
        self.releaser = Releaser(self.services, key=Ed25519PrivateKey.generate(), rescan=("virus",))

    def emit(self, event: log.Event) -> None:
        self.events.append(event)

    def lines(self, level: str = "") -> list[str]:
        return [event.text() for event in self.events if not level or event.level == level]

    async def enrol(self) -> None:
        await self.samples.enrolled()
        await self.samples.enrolled(OTHER_GATEWAY)

    async def held(self, *quarantines: str, changes: tuple[m.Change, ...] = (), **fields: Any) -> NewCopy:
        """A copy held in these quarantines; received one second after the one before."""
        self.clock.now += 1_000
        body, mid = fields.pop("body", None), self.store.next_mid()
        holds = tuple(hold(name, received=self.clock.now, **fields) for name in quarantines)
        cid = cid_of(mid)
        context = m.encode(
            m.Metadata(
                xid=f"{cid}.1",
                origin=m.Origin(serial=GATEWAY, host="gw1.test", ip="192.0.2.1", mid=mid, icid=7, listener="in", at=1),
                client=m.Client(ip="192.0.2.9", port=25, helo="x.example"),
                trace=(),
                policy=m.PolicyRef(name="DEFAULT", table="inbound"),
                quarantines=tuple(
                    m.QuarantineRef(name=q, kind="policy", reasons=("a",), received=1, exit=2, default="release")
                    for q in quarantines
                ),
                changes=changes,
            )
        )
        return await self.samples.accepted("HELD", mid=mid, cid=cid, holds=holds, body=body, context=context)

    async def released(self, *quarantines: str, **fields: Any) -> NewCopy:
        """A copy on its way to the first gateway."""
        copy = await self.held(*(quarantines or ("Policy",)), **fields)
        for hold_ in copy.holds:
            await self.releaser.decide(copy.mid, hold_.quarantine, Mark.RELEASED, Cause.MANUAL, CAROL)
        return copy

    def offered(self, copy: NewCopy) -> Any:
        """(the transfer of the release, its metadata)."""
        transfer = self.store.view.release_of(copy.mid)
        return transfer, m.decode(transfer.metadata, hop=transfer.hop)
