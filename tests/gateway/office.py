"""A gateway assembled over a store in memory; clients, next hops and the manager are pipes or values."""

import hashlib
from collections import deque
from pathlib import Path
from typing import Any

from pratique.checks.content import Content
from pratique.checks.interface import Engines
from pratique.fleet.trust import Trust
from pratique.gateway.app import Gateway, Parts
from pratique.gateway.apply import Reception
from pratique.gateway.pipeline import Judged, Source
from pratique.gateway.settings import GatewaySettings, Listener, RecipientAccess
from pratique.mail.body import Body
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.net.tls import server_context
from pratique.policy.decision import Decision, Disposition
from pratique.policy.evaluate import Program
from pratique.policy.facts import Message, Unknown, VirusResult
from pratique.policy.settings import PolicySettings
from pratique.runner import deliverer as deliverer_module
from pratique.runner import link as link_module
from pratique.runner.settings import CpqSettings, DeliverySettings
from pratique.transfer.metadata import Client, Trace
from tests.conformance.samples import MESSAGE, NOW
from tests.runner.hop import Hop, Names
from tests.runner.support import Known, Network, Node, enrol, join, turns, until

QUARANTINES = frozenset({"Policy", "Secret", "Virus", "Outbreak", "Unclassified"})
EVERYONE = (RecipientAccess("ALL"),)


class Engine:
    """A virus engine that answers what it is told; `waits` keeps its answers back."""

    name = "FAKE"

    def __init__(self) -> None:
        self.answers: deque[VirusResult | Unknown | Exception] = deque()
        self.scanned: list[bytes] = []
        self.gate: Any = None

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        self.scanned.append(octets if octets is not None else b"".join(body.pieces()))
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.popleft() if self.answers else clean()
        if isinstance(answer, Exception):
            raise answer
        return answer


def clean(name: str = "") -> VirusResult:
    return VirusResult(engine="FAKE", version="1", result="clean", name=name)


def infected(name: str = "EICAR-AV-Test") -> VirusResult:
    return VirusResult(engine="FAKE", version="1", result="infected", name=name)


class Office:
    """`await Office(tmp_path, monkeypatch, filters=...).made()`. `engine` is None without virus=True."""

    def __init__(self, directory: Path, monkeypatch: Any, *, filters: str = "", **how: Any) -> None:
        self.directory = directory
        self.node, self.other = Node("gateway"), Node("manager")
        self.network, self.hop, self.names = Network(), Hop(), Names()
        monkeypatch.setattr(link_module, "dial", self.network.dial)
        monkeypatch.setattr(deliverer_module, "dial", self.network.dial)
        self.network.listening["192.0.2.25", 25] = self.hop.session
        self.mine, self.managers = Known(directory / "mine", self.node), Known(directory / "manager", self.other)
        self.engine = Engine() if how.pop("virus", False) else None
        self.content = Content(scan_bytes_max=1 << 20)
        listener = Listener(
            **{"recipients": EVERYONE, "interface": "Data 1", "reverse_dns": False, **how.pop("listener", {})}
        )
        policy = how.pop("policy", None) or PolicySettings(filters=filters)
        delivery = DeliverySettings(smtproutes=("ALL 192.0.2.25:25",), idle_seconds=0.0, **how.pop("delivery", {}))
        settings = GatewaySettings(listeners=(listener,), policy=policy, **how)
        keys = self.mine.keys
        self.parts = Parts(
            settings=settings,
            cpq=CpqSettings(),
            delivery=delivery,
            program=Program.compile(policy, QUARANTINES),
            engines=Engines((self.engine,) if self.engine else (), self.content),
            trust=Trust(keys, self.node.store.view.peers),
            smtp_tls=server_context(str(keys.web_certificate), str(keys.web_key)),
        )
        self.gateway = Gateway(self.node.services, self.parts)
        (self.door,) = self.gateway.intake.doors
        self.ends: list[Any] = []

    async def made(self, *, manager: bool = True) -> "Office":
        if manager:
            await enrol(self.node, self.managers)
            self.gateway.peers_changed()
        return self

    async def close(self) -> None:
        self.gateway.deliverer.stop()
        for ends in (*self.ends, *self.network.connections):
            ends[0].lose()
        await turns()
        if self.gateway.link is not None:
            await self.gateway.link.stop()
        await self.node.tasks.close()
        self.content.close()
        assert self.node.failures == []

    # --- a client on a listener
    async def client(self, *, address: str = "198.51.100.7") -> "Client_":
        client = Client_()
        self.ends.append(join(client, self.door.new_session(), source=address, address="192.0.2.1", port=25))
        return client

    async def ready(self, *, address: str = "198.51.100.7") -> "Client_":
        client = await self.client(address=address)
        assert (await client.reply()).startswith("220 ")
        assert (await client.say("EHLO client.example")).startswith("250-")
        return client

    async def send(self, *recipients: str, octets: bytes = MESSAGE, sender: str = "a@sender.example") -> str:
        client = await self.ready()
        reply = await client.message(sender, list(recipients or ("b@example.com",)), octets)
        await client.say("QUIT")
        return reply

    def copies(self, custody: str = "") -> list[Any]:
        view = self.node.store.view
        found = [copy for mid in range(1, self.node.store._mid + 1) if (copy := view.copy(mid)) is not None]
        return [copy for copy in found if not custody or copy.custody == custody]

    def lines(self, *words: str) -> list[str]:
        return self.node.log.lines(*words)


class Client_:
    """An SMTP client that reads replies."""

    def __init__(self) -> None:
        self.received = b""
        self.is_closed = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True

    def raw(self, octets: bytes) -> None:
        self.transport.write(octets)

    async def line(self) -> str:
        await until(lambda: b"\r\n" in self.received or self.is_closed)
        line, _, self.received = self.received.partition(b"\r\n")
        return line.decode()

    async def reply(self) -> str:
        """Lines joined by " / "; "" when the connection is closed."""
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return " / ".join(lines)

    async def say(self, command: str) -> str:
        self.raw(command.encode() + b"\r\n")
        return await self.reply()

    async def message(self, sender: str, recipients: list[str], octets: bytes) -> str:
        for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
            reply = await self.say(command)
            if reply[:1] not in ("2", "3"):
                return reply
        self.raw(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self.reply()


# --- values for the rooms below the session
def source(**fields: Any) -> Source:
    base = {
        "remote_ip": "198.51.100.7",
        "remote_host": "unknown",
        "helo": "client.example",
        "listener": "InboundMail",
        "interface": "Data 1",
        "table": "inbound",
        "now_ms": NOW,
    }
    return Source(**{**base, **fields})


def reception(node: Node, *recipients: str, octets: bytes = MESSAGE, sender: str = "a@sender.example") -> Reception:
    mid = node.store.next_mid()
    node.samples.mids.add(mid)
    stored = node.samples.body(octets)
    addresses = recipients or ("b@example.com",)
    return Reception(
        mid=mid,
        cid=make_cid(NOW, hashlib.sha256(b"%d" % mid).digest()[:10]),
        icid=5,
        at=NOW,
        source=source(),
        client=Client(ip="198.51.100.7", port=4711, helo="client.example", rdns="unknown", rdns_ok=False, tls=None),
        trace=Trace(
            from_helo="client.example",
            from_ip="198.51.100.7",
            rdns="unknown",
            by=node.services.name,
            with_="ESMTP",
            id=str(mid),
            at=NOW,
        ),
        envelope=Envelope(sender, tuple(Recipient(address) for address in addresses)),
        stored=stored,
        octets=octets,
        actor="smtp:198.51.100.7",
    )


def judged(*dispositions: Disposition, virus: Any = (), message: Message | None = None) -> Judged:
    return Judged(Decision(dispositions), message or plain_message(), virus)


def plain_message() -> Message:
    return Message(
        headers=(("From", "Alice <alice@example.org>"), ("Subject", "Offer")),
        subject="Offer",
        from_header="Alice <alice@example.org>",
        message_id="<1@example.org>",
        size=len(MESSAGE),
        attachments=(),
        texts=(),
    )
