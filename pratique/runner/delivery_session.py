"""One connection to a next hop: messages of one destination, one after the other, until none is left.

Before the octets that end a message go out, DOT is durable: whatever happens then, the possible duplicate has a name.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pratique.delivery.routes import Hop
from pratique.delivery.settings import DestinationSettings
from pratique.mail.envelope import Envelope
from pratique.mail.reply import Reply
from pratique.net.listener import keep_alive
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo, opportunistic_context
from pratique.runner.jobs import Answered, Destination, Job, Mailroom, Outgoing
from pratique.runner.services import Services
from pratique.runner.settings import DeliverySettings
from pratique.smtp import events as smtp
from pratique.smtp.client import ClientConnection
from pratique.store.interface import Submitted
from pratique.store.moves import DotSent
from pratique.telemetry import events as log

GREETING_SECONDS = 300.0  # RFC 5321 §4.5.3.2.1
REPLY_SECONDS = 300.0
DOT_SECONDS = 600.0  # RFC 5321 §4.5.3.2.6


class DeliveryOwner(Protocol):
    """What a session needs of the deliverer."""

    services: Services
    settings: DeliverySettings
    mailroom: Mailroom

    def next_job(self, destination: Destination) -> Job | None: ...
    def settle(self, job: Job, answers: tuple[Answered, ...], *, dcid: int) -> None: ...
    def hold_back(self, job: Job, why: str) -> None: ...
    def starttls_for(self, destination: Destination) -> str: ...
    def special(self, destination: Destination) -> DestinationSettings: ...
    def speak_clear(self, destination: Destination) -> None: ...


class DeliverySession:
    """`ended` tells True when the session was usable, False when another host should be tried."""

    def __init__(self, deliverer: DeliveryOwner, destination: Destination, hop: Hop) -> None:
        self._deliverer = deliverer
        self._services = deliverer.services
        self._destination = destination
        self._hop = hop
        self._remote = hop.name or f"[{hop.host}]"
        self.dcid = next(self._services.numbers.dcid)
        self._core = ClientConnection(helo=self._services.name, starttls=deliverer.starttls_for(destination))
        self.pump: Pump | None = None
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.why = ""
        self._usable = False
        self._job: Job | None = None
        self._outgoing: Outgoing | None = None
        self._pieces: Iterator[bytes] | None = None
        self._speaks_dsn = False
        self._idle: asyncio.TimerHandle | None = None
        self._finishing = False
        self._sent = 0  # messages begun

    def new_pump(self) -> Pump:
        self.pump = Pump(self._core, self)
        return self.pump

    def not_connected(self, error: OSError) -> None:
        self.why = "timed out" if isinstance(error, TimeoutError) else str(error)
        self._log(
            log.ConnectionFailed(
                dcid=self.dcid,
                domain=self._destination.host,
                address=self._hop.host,
                port=self._hop.port,
                details=self.why,
                interface_ip=self._deliverer.settings.interface_ip or "auto",
            )
        )
        self._end(False)

    # --- Handler
    def opened(self, pump: Pump) -> None:
        self._log(log.NewDcid(dcid=self.dcid, interface_ip=pump.local[0], address=self._hop.host, port=self._hop.port))
        keep_alive(pump)
        pump.expect_within(GREETING_SECONDS)

    def event(self, event: smtp.ClientEvent) -> None:
        _EVENTS[type(event)](self, event)

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        self._log(
            log.DcidTls(dcid=self.dcid, protocol=info.protocol, cipher=info.cipher, domain=self._destination.host)
        )
        self._core.tls_started()

    def tls_failed(self, reason: str) -> None:
        self._log(log.DcidTlsFailed(dcid=self.dcid, reason=reason))
        self.why = f"TLS failed: {reason}"
        self._deliverer.speak_clear(self._destination)

    def timed_out(self, what: str) -> None:
        self.why = "no reply in time"
        assert self.pump is not None
        self.pump.close()

    def drained(self) -> None:
        if self.pump is not None:
            self.pump.touch()  # the peer reads: a sign of life as good as an answer
        self._feed()

    def closed(self, error: Exception | None) -> None:
        self._destination.idle.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        job, self._job = self._job, None
        if job is not None:
            # The machine was not asked: the connection vanished under a message.
            self._answer(job, Reply(0, "4.4.2", self.why or str(error or "connection lost")), in_doubt=self._dot_sent)
        self._log(log.DcidClose(dcid=self.dcid))
        self._end(self._usable)

    _dot_sent = False

    # --- events of the machine
    def _tls_wanted(self, event: smtp.TlsWanted) -> None:
        assert self.pump is not None
        self.pump.start_tls(opportunistic_context(), server_side=False)

    def _ready(self, event: smtp.Ready) -> None:
        self._usable = self._destination.health.up = True
        self._speaks_dsn = "DSN" in event.extensions
        assert self.pump is not None
        self.pump.expect_within(REPLY_SECONDS)
        self._next()

    def _next(self) -> None:
        """Begin the next message, or wait a moment for one."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        most = self._deliverer.special(self._destination).messages_max
        self._finishing = self._finishing or 0 < most <= self._sent
        job = None if self._finishing else self._deliverer.next_job(self._destination)
        if job is None:
            seconds = 0.0 if self._finishing else self._deliverer.settings.idle_seconds
            self._idle = asyncio.get_running_loop().call_later(seconds, self._quit)
            if not self._finishing:
                self._destination.idle.add(self)
            return
        copy = self._services.store.view.copy(job.mid)
        try:
            if copy is None:
                raise OSError("the message is not in the store")
            outgoing = self._deliverer.mailroom.compose(copy, job)
        except OSError as error:
            self._deliverer.hold_back(job, str(error))
            asyncio.get_running_loop().call_soon(self._next_and_run)
            return
        self._job, self._outgoing, self._dot_sent = job, outgoing, False
        self._sent += 1
        rids = tuple(t.rid for t in job.targets)
        self._log(log.DeliveryStart(dcid=self.dcid, mid=job.mid, rids=rids, cid=copy.cid))
        self._core.start_message(_envelope(outgoing.envelope, job), outgoing.size)

    def work(self) -> None:
        """A job may have come while we idled."""
        if self._idle is not None and self._job is None:
            self._next_and_run()

    def _next_and_run(self) -> None:
        if self._job is None and not self.ended.done():
            self._next()
            self._run()

    def _body_wanted(self, event: smtp.BodyWanted) -> None:
        assert self._outgoing is not None
        self._pieces = self._outgoing.pieces
        self._feed()

    def _feed(self) -> None:
        """Send the body as fast as the peer reads; at its end record DOT, then end the message."""
        if self._pieces is None or self.pump is None:
            return
        try:
            for piece in self._pieces:
                self._core.send_body(piece)
                self.pump.flush()
                if self.pump.congested:
                    return
        except OSError as error:
            self._pieces = None
            self._log(
                log.Alarm(
                    message=f"the body became unreadable while it was sent: {error}", condition=log.Condition.CORRUPT
                )
            )
            self.why = str(error)
            self.pump.abort()
            return
        self._pieces = None
        assert self._job is not None
        if self._job.in_dot:
            self._end_body()
            return
        move = DotSent(self._job.mid, tuple(t.rid for t in self._job.targets))
        self._services.store.submit(move).add_done_callback(self._dot_durable)

    def _dot_durable(self, future: Submitted) -> None:
        if future.exception() is not None or self._job is None or self.pump is None:
            if self.pump is not None:
                self.pump.abort()
            return
        self._end_body()

    def _end_body(self) -> None:
        assert self.pump is not None
        self._dot_sent = True
        self._core.end_body()
        self.pump.expect_within(DOT_SECONDS)
        self._run()

    def _answered(self, event: smtp.MessageAnswered) -> None:
        job, self._job = self._job, None
        assert job is not None and self.pump is not None
        self.pump.expect_within(REPLY_SECONDS)
        answers = tuple(
            Answered(t, reply, relayed_dsn=self._speaks_dsn, remote=self._remote)
            for t, reply in zip(job.targets, event.recipients, strict=True)
        )
        self._deliverer.settle(job, answers, dcid=self.dcid)
        if self._core.usable:
            self._next()

    def _failed(self, event: smtp.SessionFailed) -> None:
        self.why = str(event.reply)
        self._pieces = None
        job, self._job = self._job, None
        if job is not None:
            self._answer(job, event.reply, in_doubt=event.dot_sent)
        assert self.pump is not None
        self.pump.close()

    # --- helpers
    @property
    def job(self) -> Job | None:
        """What is being sent."""
        return self._job

    def _answer(self, job: Job, reply: Reply, *, in_doubt: bool) -> None:
        if reply.code >= 500:
            reply = Reply(451, "4.3.0", str(reply))  # the session was refused, not the recipients: try again
        answers = tuple(Answered(t, reply, in_doubt=in_doubt, remote=self._remote) for t in job.targets)
        self._deliverer.settle(job, answers, dcid=self.dcid)

    def finish(self) -> None:
        """Shutdown: end after the message under way."""
        self._finishing = True
        if self._job is None and self._usable:
            self._quit()
        elif not self._usable and self.pump is not None:
            self.pump.abort()

    def break_off(self) -> None:
        """End now, but for a message whose end was sent: its answer is waited for, or it might be doubled."""
        if self.pump is not None and not (self._job is not None and self._dot_sent):
            self.pump.abort()

    def _quit(self) -> None:
        self._destination.idle.discard(self)
        if self.pump is not None and self._job is None:
            self._core.quit()
            self._run()
            self.pump.close()

    def _run(self) -> None:
        if self.pump is not None:
            self.pump.run()

    def _end(self, usable: bool) -> None:
        if not self.ended.done():
            self.ended.set_result(usable)

    def _log(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


def _envelope(whole: Envelope, job: Job) -> Envelope:
    """The envelope for this job's recipients only."""
    wanted = {t.rid for t in job.targets}
    recipients = tuple(r for rid, r in enumerate(whole.recipients) if rid in wanted)
    return Envelope(whole.sender, recipients, whole.eight_bit, whole.smtputf8, whole.ret, whole.envid)


_EVENTS: dict[type, Callable[[DeliverySession, Any], None]] = {
    smtp.TlsWanted: DeliverySession._tls_wanted,
    smtp.Ready: DeliverySession._ready,
    smtp.BodyWanted: DeliverySession._body_wanted,
    smtp.MessageAnswered: DeliverySession._answered,
    smtp.SessionFailed: DeliverySession._failed,
}
