"""A client's session on a listener: from the greeting to the reply that takes a message.

250 is said after the commit that holds the message, its verdict and its deliveries. A verdict that takes longer than
`judge_deadline_seconds` is not waited for: the message is stored unjudged (RECEIVED), 250 follows that commit, and
judging goes on from the queue. A filter never changes the SMTP reply.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pratique.gateway.access import HostDecision, HostTable, RecipientTable, recipient_reply
from pratique.gateway.apply import Reception
from pratique.gateway.judging import Judging
from pratique.gateway.pipeline import Source
from pratique.gateway.settings import Listener
from pratique.gateway.tally import Tally
from pratique.gateway.turnaway import Turnaway
from pratique.mail import reply as replies
from pratique.mail.address import domain_of
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.mail.reply import Reply
from pratique.net.listener import keep_alive
from pratique.net.pump import Pump
from pratique.net.resolver import Resolver
from pratique.net.tls import TlsInfo
from pratique.runner.services import Services
from pratique.smtp import events as smtp
from pratique.smtp.server import LOST, ServerConnection, ServerSettings
from pratique.store.interface import BodyWriter
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from pratique.transfer.metadata import Client, Tls, Trace

HOUR_MS = 3_600_000
BY_SENDER = "Receiving aborted by sender"  # contract: mail log
SENDERS_WISHES = frozenset({"RSET", "EHLO", "HELO", "QUIT", LOST})
# Ends that refuse nobody (contract: mail log has only `ICID n lost`), or that the line of the host's row has told.
NO_REFUSAL = frozenset(
    {LOST, replies.R421_SHUTTING_DOWN.text, replies.R421_SUSPENDED.text, replies.R554_ACCESS_DENIED.text}
)
R452_RATE = Reply(452, "4.7.1", "too many recipients from your address this hour, try again later")


@dataclass(slots=True)
class Door:
    """One listener and what its sessions share."""

    services: Services
    listener: Listener
    hosts: HostTable
    recipients: RecipientTable
    judging: Judging
    resolver: Resolver
    tls_context: Any
    sessions: set["Session"]
    tally: Tally
    suspended: bool = False
    _turnaway: Turnaway = field(init=False)
    _settings: ServerSettings = field(init=False)
    _coming: int = 0  # accepted, and not counted by the tally yet

    def __post_init__(self) -> None:
        listener = self.listener
        self._turnaway = Turnaway(self.services, listener.name, connections_max=listener.connections_max)
        self._settings = ServerSettings(
            limits=listener.limits,
            starttls=listener.tls != "no",
            tls_required=listener.tls == "must",
            bare_newlines=listener.bare_newlines,
        )

    def take(self, connection: socket.socket) -> None:
        """A connection that was accepted: a session, or a 421 when all of them are taken."""
        if self.tally.connections() + self._coming >= self.listener.connections_max:
            self._turnaway.refuse(connection)
            return
        self._coming += 1
        self.services.tasks.spawn(self._let_in(connection), "connection")

    async def _let_in(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self.new_session, connection)
        except OSError:
            connection.close()  # it is gone already
        finally:
            self._coming -= 1

    def new_session(self) -> Pump:
        machine = ServerConnection(hostname=self.services.name, settings=self._settings)
        return Pump(machine, Session(self, machine), serves=True)

    def within_rate(self, address: str) -> bool:
        limit = self.listener.recipients_per_hour
        if not limit:
            return True
        return self.tally.recipient(address, self.services.clock.now_ms() // HOUR_MS) <= limit

    @property
    def table(self) -> str:
        return "inbound" if self.listener.kind == "public" else "outbound"


class Session:
    """One connection of a client."""

    __slots__ = (
        "_cid",
        "_core",
        "_crowded",
        "_deciding",
        "_door",
        "_extended",
        "_full",
        "_helo",
        "_host",
        "_mail",
        "_mid",
        "_name",
        "_name_ok",
        "_pump",
        "_quit",
        "_recipients",
        "_refused_last",
        "_services",
        "_tls",
        "_writer",
        "icid",
    )

    def __init__(self, door: Door, machine: ServerConnection) -> None:
        self._door = door
        self._services = door.services
        self._core = machine
        self._pump: Pump | None = None
        self._host = HostDecision("REJECT", "NOMATCH", "none", False)
        self._name, self._name_ok = "unknown", False
        self._helo = ""
        self._extended = False
        self._tls: TlsInfo | None = None
        self.icid = 0
        self._crowded = False  # a limit on connections was reached when this one began
        self._quit = False
        self._refused_last: smtp.CommandRefused | None = None
        self._forget()

    def _forget(self) -> None:
        self._mid = 0
        self._cid = ""
        self._mail: smtp.MailGiven | None = None
        self._recipients: dict[tuple[str, ...], Recipient] = {}  # by what makes two of them one
        self._writer: BodyWriter | None = None
        self._full = False
        self._deciding = False  # the message is complete; whether we have it is being settled

    # --- Handler
    def opened(self, pump: Pump) -> None:
        self._pump = pump
        self.icid = next(self._services.numbers.icid)
        door = self._door
        door.sessions.add(self)
        in_all, from_address = door.tally.enter(pump.peer[0])
        limits = door.listener.connections_max, door.listener.connections_per_address
        self._crowded = in_all > limits[0] or from_address > limits[1]
        pump.expect_within(door.listener.limits.command_seconds)
        pump.live_at_most(door.listener.limits.session_seconds)
        keep_alive(pump)
        if not pump.peer[1]:  # it vanished before we could ask who it was
            pump.abort()
        elif door.listener.reverse_dns and not self._crowded:
            self._services.tasks.spawn(self._look_up_name(pump), "client name")
        else:
            self._greet()

    async def _look_up_name(self, pump: Pump) -> None:
        self._name, self._name_ok = await self._door.resolver.client_name(pump.peer[0])
        self._greet()
        pump.run()

    def _greet(self) -> None:
        assert self._pump is not None
        address, door = self._pump.peer[0], self._door
        self._host = door.hosts.decide(address)
        self._log(
            log.NewIcid(
                protocol="SMTP",
                icid=self.icid,
                interface=door.listener.interface,
                interface_ip=self._pump.local[0],
                address=address,
                host=self._name,
                verified=self._name_ok,
            )
        )
        action = self._host.action
        self._log(log.IcidAction(icid=self.icid, action=action, group=self._host.group, match=self._host.match))
        if action == "TCPREFUSE":
            self._pump.abort()
        elif action == "REJECT":
            self._core.refuse(replies.R554_ACCESS_DENIED)
        elif self._crowded:
            self._core.refuse(replies.R421_TOO_MANY)
        elif door.suspended:
            self._core.refuse(replies.R421_SUSPENDED)
        else:
            self._core.greet()

    def event(self, event: smtp.ServerEvent) -> None:
        _EVENTS[type(event)](self, event)

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        self._tls = info
        self._log(log.IcidTls(icid=self.icid, protocol=info.protocol, cipher=info.cipher))
        self._core.tls_started()

    def tls_failed(self, reason: str) -> None:
        assert self._pump is not None
        self._log(log.IcidTlsFailed(icid=self.icid, address=self._pump.peer[0], reason=reason))

    def timed_out(self, what: str) -> None:
        self._core.shut_down(replies.R421_TIMEOUT)

    def drained(self) -> None:
        return

    def closed(self, error: Exception | None) -> None:
        door = self._door
        door.sessions.discard(self)
        assert self._pump is not None
        door.tally.leave(self._pump.peer[0])
        if not self._deciding:
            self._abort(BY_SENDER)
        if self._pump.peer[1]:
            self._log(log.IcidClose(icid=self.icid) if self._quit else log.IcidLost(icid=self.icid))

    @property
    def client(self) -> tuple[str, str]:
        """(its name by reverse look-up, its address)."""
        return self._name, self._pump.peer[0] if self._pump is not None else ""

    def shut_down(self) -> None:
        """SIGTERM: say 421 where the protocol allows it."""
        self._core.shut_down(replies.R421_SHUTTING_DOWN)
        if self._pump is not None:
            self._pump.run()

    # --- events of the machine
    def _hello(self, event: smtp.HelloGiven) -> None:
        self._helo, self._extended = event.name, event.extended

    def _start_tls(self, event: smtp.StartTls) -> None:
        assert self._pump is not None
        self._pump.start_tls(self._door.tls_context, server_side=True)

    def _mail_given(self, event: smtp.MailGiven) -> None:
        if self._services.store.spool.free_bytes() <= (event.size or 0):
            self._core.reply(replies.R452_STORAGE)
            return
        if self._host.tls_required and self._tls is None:
            self._core.reply(replies.R530_TLS_REQUIRED)
            return
        self._forget()
        self._mail = event
        mid = self._mid = self._services.store.next_mid()
        clock = self._services.clock
        cid = self._cid = make_cid(clock.now_ms(), clock.random(10))
        self._log(log.StartMid(mid=mid, icid=self.icid, cid=cid))
        self._log(log.MidFrom(mid=mid, icid=self.icid, sender=event.sender, cid=cid))
        self._core.reply(replies.R250_SENDER_OK)

    def _rcpt_given(self, event: smtp.RcptGiven) -> None:
        reply = self._check_recipient(event.address)
        if reply.ok:
            self._add(Recipient(event.address, event.notify, event.orcpt))
        else:
            self._log(log.RecipientRefused(icid=self.icid, recipient=event.address, reply=str(reply)))
        self._core.reply(reply)

    def _add(self, recipient: Recipient) -> None:
        """One that was given before, with the same wishes for notices, is accepted and gets the message once."""
        address, rid = recipient.address, len(self._recipients)
        local = address.rpartition("@")[0] or address  # its case may matter (RFC 5321 §2.4), that of a domain does not
        key = (local, domain_of(address), recipient.notify, recipient.orcpt)
        if key in self._recipients:
            return
        self._recipients[key] = recipient
        self._log(log.MidTo(mid=self._mid, icid=self.icid, rid=rid, recipient=address, cid=self._cid))

    def _check_recipient(self, address: str) -> Reply:
        assert self._pump is not None
        door = self._door
        reply = recipient_reply(door.listener.kind, self._host, door.recipients, address)
        if reply.ok and not door.within_rate(self._pump.peer[0]):
            return R452_RATE
        return reply

    def _body_chunk(self, event: smtp.BodyChunk) -> None:
        if self._full:
            return
        assert self._pump is not None
        try:
            if self._writer is None:
                self._pump.expect_within(self._door.listener.limits.data_seconds)
                self._writer = self._services.store.spool.writer()
            self._writer.write(event.data)
        except StoreFailed:
            self._full = True

    def _body_ended(self, event: smtp.BodyEnded) -> None:
        assert self._pump is not None
        self._pump.expect_within(self._door.listener.limits.command_seconds)
        if self._full:
            self._refuse_message(replies.R452_STORAGE)
            return
        if self._writer is None:
            self._writer = self._services.store.spool.writer()
        octets = self._writer.octets()
        try:
            stored = self._writer.finish()
        except StoreFailed:
            self._refuse_message(replies.R452_STORAGE)
            return
        self._deciding = True
        self._door.judging.take(self._reception(stored, octets), self._decided)

    def _reception(self, stored: Any, octets: bytes | None) -> Reception:
        assert self._pump is not None and self._mail is not None
        door, now, mail = self._door, self._services.clock.now_ms(), self._mail
        address, port = self._pump.peer
        tls = self._tls
        return Reception(
            mid=self._mid,
            cid=self._cid,
            icid=self.icid,
            at=now,
            source=Source(
                remote_ip=address,
                remote_host=self._name,
                helo=self._helo,
                listener=door.listener.name,
                interface=door.listener.interface,
                table=door.table,
                now_ms=now,
                mid=self._mid,
                hostname=self._services.name,
                sender_group=self._host.group,
                mail_flow=self._host.action,
            ),
            client=Client(
                ip=address,
                port=port,
                helo=self._helo,
                rdns=self._name,
                rdns_ok=self._name_ok,
                tls=Tls(version=tls.protocol, cipher=tls.cipher) if tls is not None else None,
            ),
            trace=Trace(
                from_helo=self._helo,
                from_ip=address,
                rdns=self._name,
                by=self._services.name,
                with_=_with(self._extended, tls is not None, mail.smtputf8),
                id=str(self._mid),
                at=now,
            ),
            envelope=Envelope(
                mail.sender, tuple(self._recipients.values()), mail.eight_bit, mail.smtputf8, mail.ret, mail.envid
            ),
            stored=stored,
            octets=octets,
            actor=f"smtp:{address}",
        )

    def _decided(self, mid: int, reply: Reply) -> None:
        """The message is durable, or it was refused; say so."""
        if self._pump is None or mid != self._mid:
            return
        self._deciding = False
        if reply.ok:
            self._forget()
        else:
            self._abort(f"refused: {reply.code} {reply.enhanced}")
        self._core.reply(reply)
        self._pump.touch()
        self._pump.run()

    def _refuse_message(self, reply: Reply) -> None:
        self._abort(f"refused: {reply.code} {reply.enhanced}")
        self._core.reply(reply)

    def _message_aborted(self, event: smtp.MessageAborted) -> None:
        if event.reply is not None:
            self._abort(f"refused: {event.reply}")
        else:
            self._abort(BY_SENDER if event.reason in SENDERS_WISHES else event.reason)

    def _abort(self, reason: str) -> None:
        if self._writer is not None:
            self._writer.abort()
        if self._mid:
            self._log(log.Aborted(mid=self._mid, reason=reason, cid=self._cid))
            self._log(log.FinishedAborted(mid=self._mid, cid=self._cid))
        self._forget()

    def _command_refused(self, event: smtp.CommandRefused) -> None:
        if event == self._refused_last:
            return  # once: 100,000 recipients too many are no reason for as many lines
        self._refused_last = event
        self._log(log.DebugNote(message=f"ICID {self.icid} {event.command} answered {event.reply}"))

    def _ended(self, event: smtp.ConnectionEnded) -> None:
        self._quit = event.clean
        assert self._pump is not None
        if event.reason and not event.clean and event.reason not in NO_REFUSAL:
            self._log(log.IcidRefused(icid=self.icid, address=self._pump.peer[0], reason=event.reason))
        self._pump.close()

    def _log(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


def _with(extended: bool, tls: bool, utf8: bool) -> str:
    """The protocol of a Received line (RFC 3848, RFC 6531 §4.3)."""
    if utf8:
        return "UTF8SMTPS" if tls else "UTF8SMTP"
    if not extended:
        return "SMTP"
    return "ESMTPS" if tls else "ESMTP"


_EVENTS: dict[type, Callable[[Session, Any], None]] = {
    smtp.HelloGiven: Session._hello,
    smtp.StartTls: Session._start_tls,
    smtp.MailGiven: Session._mail_given,
    smtp.RcptGiven: Session._rcpt_given,
    smtp.BodyChunk: Session._body_chunk,
    smtp.BodyEnded: Session._body_ended,
    smtp.MessageAborted: Session._message_aborted,
    smtp.CommandRefused: Session._command_refused,
    smtp.ConnectionEnded: Session._ended,
}
