"""A next hop in memory, and a deliverer that delivers to it: names resolve, time stands still, replies are scripted."""

import asyncio
from collections import defaultdict, deque
from typing import Any

from pratique.delivery.routes import Routes
from pratique.mail.envelope import Envelope, Recipient
from pratique.net.resolver import LookupFailed, NoSuchDomain
from pratique.runner import deliverer as deliverer_module
from pratique.runner.deliverer import Deliverer
from pratique.runner.jobs import Answered, Job, Outgoing
from pratique.runner.settings import DeliverySettings
from pratique.store.moves import Accept
from pratique.store.records import Copy, NewCopy
from tests.conformance.samples import MESSAGE, NOW, delivery, entry
from tests.runner.support import Network, Node, turns, until


class Hop:
    """One listening mail server. `script["RCPT"]` holds replies that are given instead of the friendly one."""

    def __init__(self) -> None:
        self.script: defaultdict[str, deque[str]] = defaultdict(deque)
        self.messages: list[tuple[str, list[str], bytes]] = []
        self.sessions: list[HopSession] = []
        self.extensions = ["PIPELINING", "8BITMIME", "DSN"]
        self.take_then_vanish = 0  # so many messages are taken and the connection is lost before the answer

    def session(self) -> "HopSession":
        self.sessions.append(HopSession(self))
        return self.sessions[-1]

    def answer(self, what: str, friendly: str) -> str:
        return self.script[what].popleft() if self.script[what] else friendly


class HopSession:
    def __init__(self, hop: Hop) -> None:
        self.hop = hop
        self.said: list[str] = []
        self.is_over = False
        self._rest = b""
        self._data = False
        self._sender = ""
        self._recipients: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._say(self.hop.answer("GREETING", "220 hop ESMTP"))

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while True:
            if self._data:
                if not self._rest.startswith(b".\r\n") and b"\r\n.\r\n" not in self._rest:
                    return
                octets, _, self._rest = (b"\r\n" + self._rest).partition(b"\r\n.\r\n")
                self._data = False
                self._taken((octets + b"\r\n").replace(b"\r\n.", b"\r\n")[2:])
                continue
            line, end, rest = self._rest.partition(b"\r\n")
            if not end:
                return
            self._rest = rest
            self._command(line.decode())

    def _command(self, line: str) -> None:
        self.said.append(line)
        verb, argument = line[:4].upper(), line.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                lines = ["hop", *self.hop.extensions]
                friendly = "\r\n".join([*(f"250-{text}" for text in lines[:-1]), f"250 {lines[-1]}"])
            case "MAIL":
                self._sender, self._recipients = argument, []
                friendly = "250 2.1.0 ok"
            case "RCPT":
                friendly = "250 2.1.5 ok"
            case "DATA":
                friendly = "354 go on" if self._recipients else "554 5.5.1 nobody"
            case "QUIT":
                self._say("221 bye")
                self.transport.close()
                return
            case _:
                friendly = "250 ok"
        reply = self.hop.answer(verb, friendly)
        if verb == "RCPT" and reply.startswith("2"):
            self._recipients.append(argument)
        self._data = verb == "DATA" and reply.startswith("3")
        self._say(reply)

    def _taken(self, octets: bytes) -> None:
        reply = self.hop.answer("END", "250 2.0.0 taken")
        if reply.startswith("2"):
            self.hop.messages.append((self._sender, self._recipients, octets))
        if self.hop.take_then_vanish:
            self.hop.take_then_vanish -= 1
            self.transport.lose()
        else:
            self._say(reply)

    def _say(self, text: str) -> None:
        if text:
            self.transport.write(text.encode() + b"\r\n")
        else:
            self.transport.lose()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True


class Names:
    """A resolver with a table. A missing name does not exist; None: no answer."""

    def __init__(self) -> None:
        self.mx_of: dict[str, list[tuple[int, str]] | None] = {}
        self.addresses_of: dict[str, list[str] | None] = {}

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        await asyncio.sleep(0)
        if domain in self.mx_of:
            found = self.mx_of[domain]
        else:
            found = [] if domain in self.addresses_of else _missing(domain)
        if found is None:
            raise LookupFailed(f"MX of {domain}: no answer")
        return found

    async def addresses(self, host: str) -> list[str]:
        found = self.addresses_of.get(host, [])
        if found is None:
            raise LookupFailed(f"A of {host}: no answer")
        return found if host in self.addresses_of else _missing(host)


def _missing(name: str) -> Any:
    raise NoSuchDomain(f"{name} does not exist")


class Mailroom:
    """Composes the stored octets; notes what it is asked to write."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.composed: list[Job] = []
        self.noticed: list[tuple[str, tuple[int, ...]]] = []
        self.done: list[int] = []
        self.unreadable: set[int] = set()
        self.spawn = False

    def compose(self, copy: Copy, job: Job) -> Outgoing:
        self.composed.append(job)
        if copy.mid in self.unreadable or copy.extent is None:
            raise OSError("CORRUPT: the stored body does not match its digest")
        head = b"X-Possible-Duplicate: yes\r\n" if job.doubtful else b""
        pieces = self.node.store.spool.open(copy.extent, copy.sha256).pieces()
        return Outgoing(copy.envelope, len(head) + copy.size, iter([head, *pieces] if head else [*pieces]))

    def notice(self, copy: Copy, answers: tuple[Answered, ...], notices: Any) -> tuple[NewCopy, ...]:
        self.noticed += [(kind, rids) for kind in ("failed", "delayed", "relayed") if (rids := getattr(notices, kind))]
        if not self.spawn:
            return ()
        one = delivery(0, copy.envelope.sender, host="sender.example")
        return (
            self.node.samples.copy(
                "ACTIVE", envelope=Envelope("", (Recipient(copy.envelope.sender),)), deliveries=(one,)
            ),
        )

    def finished(self, mid: int, *, row: bool) -> None:
        self.done.append(mid)


class Post:
    """A deliverer, its next hop at 192.0.2.25:25 (mail.example.com) and its store."""

    def __init__(self, monkeypatch: Any, *, routes: dict[str, list[str]] | None = None, **settings: Any) -> None:
        self.node = Node("gateway")
        self.network = Network()
        monkeypatch.setattr(deliverer_module, "dial", self.network.dial)
        self.names = Names()
        self.names.mx_of["example.com"] = [(10, "mail.example.com")]
        self.names.addresses_of["mail.example.com"] = ["192.0.2.25"]
        self.hop = Hop()
        self.listen("192.0.2.25", self.hop)
        self.mailroom = Mailroom(self.node)
        self.routes = Routes(routes or {})
        self.settings = DeliverySettings(**{"idle_seconds": 0.0, **settings})
        self.deliverer = self.new_deliverer()

    def new_deliverer(self) -> Deliverer:
        return Deliverer(
            self.node.services,
            settings=self.settings,
            routes=self.routes,
            resolver=self.names,  # type: ignore[arg-type]
            mailroom=self.mailroom,
        )

    def listen(self, address: str, hop: Hop, port: int = 25) -> None:
        self.network.listening[address, port] = hop.session

    async def close(self) -> None:
        self.deliverer.stop()
        for ends in self.network.connections:
            ends[0].lose()
        await turns()
        await self.node.tasks.close()
        assert self.node.failures == []

    async def sent(self, *recipients: str, octets: bytes = MESSAGE, sender: str = "a@sender.example") -> NewCopy:
        """A copy that was just committed, and offered."""
        addresses = recipients or ("bob@example.com",)
        body = self.node.samples.body(octets)
        envelope = Envelope(sender, tuple(Recipient(address) for address in addresses))
        deliveries = tuple(delivery(rid, address) for rid, address in enumerate(addresses))
        copy = self.node.samples.copy("ACTIVE", body=body, envelope=envelope, deliveries=deliveries)
        await self.node.store.submit(Accept((copy,), (entry("accept", copy.mid, copy.cid),)))
        self.deliverer.offer(copy)
        return copy

    def states(self, copy: NewCopy) -> list[str]:
        return [d.state for d in self.node.store.view.deliveries(copy.mid)]

    async def settled(self, copy: NewCopy, *states: str) -> None:
        await until(lambda: self.states(copy) == list(states))

    async def tried(self, copy: NewCopy, attempts: int = 1) -> None:
        """So many attempts are recorded for the first recipient, and the wait for the next one is armed."""
        await until(lambda: self.node.store.view.deliveries(copy.mid)[0].attempts == attempts)
        await until(lambda: not self.deliverer.sessions)
        await turns()

    def at(self, seconds: float) -> None:
        """So long after the beginning, and whatever is due by then."""
        self.node.clock.now = NOW + int(seconds * 1000)
        self.deliverer._due()
