"""A gateway's link and a manager's quarantine port, joined by pipes; the manager's role is a taker that tests steer."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pratique.delivery.custody import Event
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_xid, parse_xid
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo
from pratique.runner import link as link_module
from pratique.runner.cpq_parts import Decided, Offer
from pratique.runner.cpq_server import CpqService
from pratique.runner.link import Link
from pratique.runner.link_items import Item
from pratique.runner.readiness import Asker, Line, common_lines, line
from pratique.runner.settings import CpqSettings
from pratique.store.moves import Accept, JournalTaken, Receive
from pratique.store.records import NewCopy, NewTransfer, Peer
from pratique.transfer import events as cpq
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import Hello, Keyword, Limits, Row, Verdict
from pratique.transfer.seal import sealed_group
from tests.conformance.samples import MESSAGE, NOW, cid_of, entry, hold
from tests.runner.support import Known, Network, Node, enrol, until


@dataclass
class Taker:
    """Takes every group as a held copy, unless told otherwise."""

    node: Node
    side: str = "manager"
    stands: tuple[Keyword, str] = (Keyword.READY, "")
    verdicts: list[Verdict] = field(default_factory=list)  # given instead, one each
    waiting: list[Any] | None = None  # a list: decisions wait in it
    offers: list[Offer] = field(default_factory=list)
    durable: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    peers_met: list[str] = field(default_factory=list)
    differing: list[bool] = field(default_factory=list)

    def standing(self) -> tuple[Keyword, str]:
        return self.stands

    def take(self, offer: Offer, decided: Decided) -> None:
        self.offers.append(offer)
        if self.verdicts:
            decided(self.verdicts.pop(0))
        elif self.waiting is not None:
            self.waiting.append(lambda: decided(self._move(offer)))
        else:
            decided(self._move(offer))

    def _move(self, offer: Offer) -> Receive:
        cid, hop = parse_xid(offer.group.xid)
        copy = NewCopy(
            mid=self.node.store.next_mid(),
            cid=cid,
            hop=hop,
            custody="HELD",
            icid=offer.icid,
            at=NOW,
            envelope=offer.group.envelope,
            extent=offer.stored.extent,
            sha256=offer.stored.sha256,
            origin_serial=offer.peer.serial,
            origin_host="gw",
            origin_mid=1,
            holds=(hold(),),
        )
        self.node.samples.mids.add(copy.mid)
        return Receive(offer.peer.serial, "", 0, hop, offer.group.seal, offer.group.seq, copy, (entry("hold"),))

    def taken(self, offer: Offer, move: Receive) -> None:
        self.durable.append(offer.group.xid)

    def journal(self, peer: Peer, rows: tuple[Row, ...], taken: JournalTaken) -> None:
        self.rows += rows

    def suspended_quarantines(self) -> tuple[str, ...]:
        return ()

    def checks(self, asker: Asker) -> tuple[Line, ...]:
        common = common_lines(asker, standing=self.stands, suspended="", uncommitted="", here="manager")
        return (*common, line("members", f"enrol {asker.members[0]}" if asker.members else ""))

    def clocks(self, peer: Peer, *, differ: bool) -> None:
        self.differing.append(differ)

    def met(self, peer: Peer) -> None:
        self.peers_met.append(peer.serial)


class Pair:
    """`await Pair(tmp_path, monkeypatch).made()`; `run()` starts the link."""

    def __init__(self, directory: Path, monkeypatch: Any) -> None:
        self.gateway, self.manager = Node("gateway"), Node("manager")
        self.known = {
            "gateway": Known(directory / "gateway", self.gateway),
            "manager": Known(directory / "manager", self.manager),
        }
        self.network = Network()
        monkeypatch.setattr(link_module, "dial", self.network.dial)
        self.moved: list[tuple[int, Event]] = []
        self.readiness: list[bool] = []

    async def made(self) -> "Pair":
        await enrol(self.gateway, self.known["manager"])
        await enrol(self.manager, self.known["gateway"])
        self.taker = Taker(self.manager)
        self.service = CpqService(
            self.manager.services,
            settings=CpqSettings(address=self.known["manager"].address),
            trust=self.known["manager"].trust(),
            taker=self.taker,
            limits=Limits(),
        )
        self.listen()
        self.link = self.new_link()
        return self

    def listen(self) -> None:
        self.network.listening[self.known["manager"].address, 7025] = self.service.new_session

    def new_link(self) -> Link:
        return Link(
            self.gateway.services,
            serial=self.manager.serial,
            destination="the.cpq.host",
            role="gateway",
            settings=CpqSettings(address=self.known["gateway"].address),
            trust=self.known["gateway"].trust(),
            endpoint=lambda peer: (peer.host, peer.port),
            moved=lambda item, event: self.moved.append((item.mid, event)),
            readiness=self.readiness.append,
        )

    def run(self) -> None:
        self.gateway.tasks.spawn(self.link.run(), "link")

    async def close(self) -> None:
        await self.link.stop()
        for ends in self.network.connections:
            ends[0].lose()
        await self.gateway.tasks.close()
        await asyncio.sleep(0)
        assert self.gateway.failures == self.manager.failures == []

    # --- work
    async def accepted(
        self, octets: bytes = MESSAGE, *, state: str = "X", in_memory: bool = True, recipients: int = 1
    ) -> Item:
        """A copy that waits for the manager, committed at the gateway; the item that is offered."""
        node = self.gateway
        mid, seq = node.store.next_mid(), node.store.next_seq()
        cid, body = cid_of(mid), node.samples.body(octets)
        envelope = Envelope("a@example.org", tuple(Recipient(f"r{n}@example.com") for n in range(recipients)))
        group = sealed_group(
            xid=make_xid(cid, 1), envelope=envelope, size=body.size, sha256=body.sha256, seq=seq, metadata=b'{"v":1}'
        )
        transfer = NewTransfer(
            cid, 1, self.manager.serial, seq, state, group.seal, group.command_octets, group.metadata
        )
        copy = node.samples.copy(state, mid=mid, cid=cid, body=body, transfer=transfer, envelope=envelope)
        await node.store.submit(Accept((copy,), (entry("accept", mid, cid),)))
        rids = tuple(range(recipients))
        return Item(cid, 1, mid, rids, group, seq, octets if in_memory else None, intended=state == "X")

    async def offered(self, octets: bytes = MESSAGE, **how: Any) -> Item:
        item = await self.accepted(octets, **how)
        self.link.offer(item)
        return item

    def state(self, item: Item) -> str:
        transfer = self.gateway.store.view.transfer(item.cid, item.hop)
        assert transfer is not None
        return transfer.state

    async def settled(self, item: Item, state: str = "DONE") -> None:
        await until(lambda: self.state(item) == state)

    def held(self) -> list[str]:
        """The ids of copies that the manager holds."""
        return sorted(
            copy.cid for mid in self.manager.samples.mids if (copy := self.manager.store.view.copy(mid)) is not None
        )


class Probe:
    """A client that stops where a test wants it: a pump's handler around the client machine."""

    def __init__(self, known: Known, server: Known, *, nonce: str = "") -> None:
        self.known = known
        self.core = ClientConnection(hostname="probe.example")
        self.heard: list[Any] = []
        self.tls = False
        self.tls_failure = ""
        self.is_closed = False
        self._context = replace_trust(known, server)
        self.nonce = nonce or hashlib.sha256(known.node.serial.encode()).hexdigest()[:32]
        self.pump = Pump(self.core, self)

    def opened(self, pump: Pump) -> None:
        return

    def event(self, event: Any) -> None:
        self.heard.append(event)
        if isinstance(event, cpq.TlsWanted):
            self.pump.start_tls(self._context, server_side=False)
        elif isinstance(event, cpq.ClientEnded):
            self.pump.close()

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        self.tls = True
        self.core.tls_started()

    def tls_failed(self, reason: str) -> None:
        self.tls_failure = reason

    def timed_out(self, what: str) -> None:
        raise AssertionError(what)

    def drained(self) -> None:
        return

    def closed(self, error: Exception | None) -> None:
        self.is_closed = True

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def secure(self) -> None:
        await until(lambda: self.of(cpq.Secure))

    async def hello(self, **fields: Any) -> Any:
        """The reply, or the event that ended the session."""
        before = len(self.of(cpq.HelloAnswered))
        base = Hello(self.known.node.serial, self.nonce, 1, 0, 0, 0, NOW, f"{self.known.address}:7025")
        self.core.hello(replace(base, **fields))
        self.pump.run()
        await until(lambda: len(self.of(cpq.HelloAnswered)) > before or self.of(cpq.ClientEnded))
        answered = self.of(cpq.HelloAnswered)
        return answered[-1].reply if len(answered) > before else self.of(cpq.ClientEnded)[-1]


def replace_trust(known: Known, server: Known) -> Any:
    from pratique.net.tls import pinned_context

    keys = known.keys
    pem = server.keys.cpq_certificate.read_text()
    return pinned_context(str(keys.cpq_certificate), str(keys.cpq_key), pem, server_side=False)
