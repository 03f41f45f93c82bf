"""One session of a link: the client machine over one connection, from the dial to the last reply.

Custody moves only by a verdict that was read here and made durable by the link. Everything else that can happen to a
session leaves its transfers in doubt, and the next session sends them again.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pratique.delivery.custody import Event
from pratique.delivery.retry import transfer_delay_ms
from pratique.mail.ids import make_xid
from pratique.net.listener import keep_alive
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo
from pratique.runner.link_hello import SET_BACK_PAUSE, LinkHello
from pratique.runner.link_items import Ended, Item, instance_of
from pratique.runner.link_journal import JournalPush
from pratique.runner.link_parts import LinkOwner, Unit, delayed
from pratique.runner.next_certificate import heard, shown
from pratique.runner.reactions import REACTIONS, React
from pratique.runner.recovery import Questions
from pratique.runner.refusals import cure_of, tls_cure, told
from pratique.runner.services import audit
from pratique.store.interface import Submitted
from pratique.store.moves import TransferStuck
from pratique.store.records import Peer
from pratique.store.recovery import ShownRow
from pratique.telemetry import events as log
from pratique.transfer import events as cpq
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import HelloReply, Keyword, Row, Verdict

REPLY_SECONDS = 60.0  # the oldest unanswered unit waits no longer
HANDSHAKE_SECONDS = 10.0
IDLE_SECONDS = 5.0  # a connection without work is kept so long (contract: mail log)
WALL_SECONDS = 840.0  # no new unit after that: the server stops at 900 s
BODY_IN_ONE_PIECE = 1_048_576
STORE_PAUSE_SECONDS = 5.0  # after our own store refused an acknowledgement


class LinkSession:
    def __init__(self, link: LinkOwner, peer: Peer, host: str, port: int) -> None:
        self._link = link
        self._services = link.services
        self._peer = peer
        self._address, self._port = host, port
        self.dcid = next(self._services.numbers.dcid)
        self._core = ClientConnection(hostname=self._services.name)
        self.pump: Pump | None = None
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._ready = False
        self._draining = False  # no new unit: wall, pause, or shutdown
        self._pause = 0.0
        self._in_flight: deque[Unit] = deque()
        self._answers: list[tuple[Item, Event, int, int]] = []
        self._committing = 0
        self._streaming: tuple[Item, Iterator[bytes]] | None = None
        self._controls: deque[tuple[Unit, Callable[[Unit], None]]] = deque()  # wait until no body is half sent
        self._idle_timer: asyncio.TimerHandle | None = None
        self._secure = False
        self._greeted = False  # the hello was answered
        self.answered_by = ""  # and by which instance
        self._failure = ""
        self._refused = False
        self._hello = LinkHello(link, peer, self)
        self._journal = JournalPush(link, peer, send=self._send_journal, pushed=self._push_more, alarm=self._alarm)
        self._quit_sent = False
        self._work_due = False
        self._recovering = False  # it serves the recovery of one of the two, and nothing else
        self._questions = Questions(1, lambda rows: None)

    def new_pump(self) -> Pump:
        self.pump = Pump(self._core, self)
        return self.pump

    def not_connected(self, error: OSError) -> None:
        details = "timed out" if isinstance(error, TimeoutError) else str(error)
        self._fail(details)
        self._link.health.soft_bounced += 1
        self._log(
            log.ConnectionFailed(
                dcid=self.dcid,
                domain=self._link.destination,
                address=self._address,
                port=self._port,
                details=details,
                interface_ip=self._link.settings.source or "auto",
            )
        )
        self._end(Ended(good=False, why=details))

    # --- Handler
    def opened(self, pump: Pump) -> None:
        self._log(log.NewDcid(dcid=self.dcid, interface_ip=pump.local[0], address=self._address, port=self._port))
        keep_alive(pump)
        pump.expect_within(HANDSHAKE_SECONDS)
        pump.live_at_most(WALL_SECONDS)

    def event(self, event: cpq.ClientEvent) -> None:
        _EVENTS[type(event)](self, event)

    def settled(self) -> None:
        if self._answers:
            answers, self._answers = self._answers, []
            self._committing += 1
            self._link.answered(answers, self.dcid, self._committed)
        self.work()

    def tls_up(self, info: TlsInfo) -> None:
        found = self._link.trust.peer_of(info)
        if found is None or found.serial != self._peer.serial:
            self._fail("the certificate is not the one enrolled for this appliance")
            self._log(log.DcidTlsFailed(dcid=self.dcid, reason=self._failure))
            self._refused = True
            assert self.pump is not None
            self.pump.close()
            return
        self._tls = info
        shown(self._services, self._link.trust, found, info)
        self._core.tls_started()

    def tls_failed(self, reason: str) -> None:
        self._fail(f"TLS: {reason}")
        self._refused = True
        self._log(log.DcidTlsFailed(dcid=self.dcid, reason=f"{reason}; {tls_cure(reason)}"))

    def timed_out(self, what: str) -> None:
        assert self.pump is not None
        if what == "wall":
            self._draining = True
            self.work()
            return
        self._fail("no reply in time")
        self.pump.close()

    def drained(self) -> None:
        if self.pump is not None:
            self.pump.touch()  # the peer reads: its answer is due 60 s after the last octet, not the first
        self.work()

    def closed(self, error: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if error is not None:
            self._fail(str(error))
        if not self._secure and not self._failure:
            self._fail("the peer closed the connection before its certificate check was known")
        units = (*self._in_flight, *(unit for unit, _ in self._controls))
        doubt = [u.item for u in units if u.item is not None]
        if self._streaming is not None and self._streaming[0] not in doubt:
            doubt.append(self._streaming[0])
        self._link.take_back(doubt)
        self._log(log.DcidClose(dcid=self.dcid))
        good = self._ready and not self._failure
        self._end(
            Ended(good=good or bool(self._pause), refused=self._refused, pause_seconds=self._pause, why=self._failure)
        )

    # --- events of the machine
    def _tls_wanted(self, event: cpq.TlsWanted) -> None:
        assert self.pump is not None
        self.pump.start_tls(self._link.trust.context(server_side=False), server_side=False)

    def _on_secure(self, event: cpq.Secure) -> None:
        self._secure = True
        info = self._tls
        self._log(
            log.DcidTls(dcid=self.dcid, protocol=info.protocol, cipher=info.cipher, domain=self._link.destination)
        )
        self._core.hello(self._hello.written())
        assert self.pump is not None
        self.pump.expect_within(REPLY_SECONDS)

    def _hello_answered(self, event: cpq.HelloAnswered) -> None:
        reply = event.reply
        self._greeted = True
        self.answered_by = instance_of(reply.me.nonce, reply.me.inc)
        health = self._link.health
        health.up = True
        if reply.me.serial != self._peer.serial:
            self._alarm(f"it says serial {reply.me.serial}, enrolled is {self._peer.serial}", about=log.Condition.LINK)
            self._stop(REFUSED_PAUSE)
            return
        self._services.peer_clocks[reply.me.serial] = reply.me.at_ms - self._services.clock.now_ms()
        heard(self._services, self._link.trust, self._peer, reply.me, then=self._next_known)
        if self._hello.set_back(reply):
            self._link.said_hello(ready=False, held=True)
            return
        if reply.keyword is Keyword.READY:
            self._ready = True
            self._link.said_hello(ready=True)
            health.last_error = ""
            self._push_journal()
            return
        self._link.said_hello(ready=False)
        health.last_error = f"{reply.keyword} {reply.why}".strip()
        self._log(log.Note(message=f"{self._link.destination}: {self._peer.name} answers {health.last_error}"))
        if reply.keyword is Keyword.SUSPENDED:
            self._push_journal()
        self._stop(HELLO_PAUSE.get(reply.keyword, REFUSED_PAUSE))

    def _next_known(self, new: bool) -> None:
        if new:
            self._link.hello_again()  # which says so to the peer

    def _unit_answered(self, event: cpq.UnitAnswered) -> None:
        unit = self._in_flight.popleft()
        assert unit is event.token
        if self.pump is not None:
            self.pump.touch()
        if unit.kind == "journal":
            self._journal.answered(event.verdict)
        elif unit.kind == "show":
            if not self._questions.answered(event.xid, event.verdict):
                self._stop(SET_BACK_PAUSE)  # it is set back itself by now: the next hello tells
        elif unit.kind == "confirm":
            return
        else:
            assert unit.item is not None
            self._item_answered(unit.item, event.verdict)

    def _item_answered(self, item: Item, verdict: Verdict) -> None:
        reaction = REACTIONS.get(verdict.keyword)
        if reaction is None:
            self._fail(f"unexpected answer {verdict.keyword}")
            assert self.pump is not None
            self.pump.close()
            return
        if reaction.react is React.MOVE:
            assert reaction.event is not None
            inc, seq = (int(word) for word in verdict.words[:2]) if len(verdict.words) >= 2 else (0, 0)
            self._answers.append((item, reaction.event, inc, seq))
            self._link.health.delivered += reaction.event is Event.ACC
            return
        self._not_moved(item, verdict, reaction.alarm)
        match reaction.react:
            case React.RETRY:
                self._link.take_back([item])
                self._stop(transfer_delay_ms(item.attempts, self._link.retry) / 1000)
            case React.PAUSE:
                self._link.take_back([item])
                self._stop(reaction.pause_seconds)
            case React.VERIFY if not item.verified:
                item.verified, item.octets = True, None
                self._link.take_back([item])
            case React.VERIFY | React.CANCEL:
                self._send_cancel(item)
            case React.STUCK:
                self._stuck(item, str(verdict.keyword))

    def _not_moved(self, item: Item, verdict: Verdict, alarm: bool) -> None:
        item.attempts += 1
        self._link.health.soft_bounced += 1
        self._link.health.last_error = f"{verdict.code} {verdict.enhanced} {verdict.keyword}"
        for rid in item.rids[:1]:
            self._log(delayed(item, verdict, dcid=self.dcid, rid=rid))
        if alarm:
            self._alarm(f"MID {item.mid} was answered {verdict.keyword}", item.cid)

    def _stuck(self, item: Item, why: str) -> None:
        detail = json.dumps({"hop": item.hop, "why": why})
        entry = audit(f"peer:{self._peer.serial}", "stuck", item.mid, item.cid, detail=detail)
        move = TransferStuck(item.cid, item.hop, why, True, (entry,), self._peer.serial)
        self._services.store.submit(move).add_done_callback(self._stuck_recorded)
        self._alarm(f"MID {item.mid} waits for a person: {why}; see `pratique show`", item.cid)

    def _stuck_recorded(self, future: Submitted) -> None:
        error = future.exception()
        if error is not None:  # the transfer is still in doubt: it is offered again, and answered again
            self._log(
                log.Fault(condition=log.Condition.STORE, error=f"store: {error}; the transfer will be offered again")
            )
            self._link.forget_queue()

    def _client_ended(self, event: cpq.ClientEnded) -> None:
        if event.keyword or not self._quit_sent:
            self._fail(told(event.keyword, event.reason))
        self._refused = event.refused
        if not self._secure:
            self._log(log.DcidTlsFailed(dcid=self.dcid, reason=self._failure))
        elif event.keyword in (Keyword.FRAME, Keyword.FENCED, Keyword.DENIED, Keyword.NOT_ENROLLED):
            own = self._services.store.identity.serial
            self._alarm(
                f"{self._failure}: {cure_of(event.keyword, peer=self._peer.name, own=own)}", about=log.Condition.LINK
            )
        assert self.pump is not None
        self.pump.close()

    # --- sending
    def work_soon(self) -> None:
        """Work once for all that is offered in this turn of the loop: one write, full TLS records."""
        if not self._work_due:
            self._work_due = True
            asyncio.get_running_loop().call_soon(self._work_now)

    def _work_now(self) -> None:
        self._work_due = False
        self.work()

    def work(self) -> None:
        """Send what the window takes; when nothing is left, end after the idle time."""
        if self.pump is None or self._quit_sent or not self._secure or self.ended.done():
            return  # an ended session takes nothing: what it took would be nobody's
        self._send_controls()
        if self._ready and not self._draining:
            self._fill()
        elif self._streaming is not None:
            self._stream_on()  # a group that was begun is ended
        self._send_controls()
        self._flush()
        if self._in_flight or self._controls or self._committing or self._streaming or self._answers:
            self._keep()
        elif self._draining:
            self._quit()
        elif self._idle_timer is None and self._greeted:
            self._idle_timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._idle_over)

    def _fill(self) -> None:
        assert self.pump is not None
        while not self.pump.congested and not self._draining:
            if self._streaming is not None:
                if not self._stream_on():
                    return
                continue
            item = self._link.next_item()
            if item is None:
                return
            if not self._core.fits(item.group):
                self._link.take_back([item])
                return
            self._send(item)

    def _send(self, item: Item) -> None:
        unit = Unit("group", item)
        if item.group.size > BODY_IN_ONE_PIECE:
            pieces = self._link.pieces(item)
            try:
                first = next(pieces)
            except OSError as error:
                self._corrupt(item, error)
                return
            self._core.begin_group(unit, item.group)
            self._core.send_body(first)
            self._streaming = (item, pieces)
        else:
            try:
                octets = item.octets if item.octets is not None else b"".join(self._link.pieces(item))
            except OSError as error:
                self._corrupt(item, error)
                return
            self._core.send_group(unit, item.group, (octets,))
        self._in_flight.append(unit)
        self._log(log.DeliveryStart(dcid=self.dcid, mid=item.mid, rids=item.rids, quarantine=True, cid=item.cid))

    def _stream_on(self) -> bool:
        """The next piece of a large body; False when the peer must read first."""
        assert self._streaming is not None and self.pump is not None
        _, pieces = self._streaming
        for piece in pieces:
            self._core.send_body(piece)
            self._flush()
            if self.pump.congested:
                return False
        self._streaming = None
        return True

    def _corrupt(self, item: Item, error: OSError) -> None:
        self._alarm(f"MID {item.mid} cannot be read from the spool: {error}", item.cid, about=log.Condition.CORRUPT)
        self._stuck(item, f"CORRUPT: {error}")

    # --- recovery (runner.recovery)
    def recover(self, peer: Peer, reply: HelloReply) -> bool:
        """Serve the recovery of one of the two, and nothing else, when there is something to do for it."""
        self._recovering = self._link.recover(self, peer, reply)
        return self._recovering

    def push_until(self, number: int, done: Callable[[], None]) -> None:
        """Push our rows until the peer has applied that number."""
        self._journal.until(number, done)
        self._push_journal()
        self.work()

    def ask(self, hops: Sequence[tuple[str, int]], done: Callable[[list[ShownRow]], None]) -> None:
        """What does the peer show of these transfers? `done` is called once, when all are answered."""
        self._questions = Questions(len(hops), done)
        for cid, hop in hops:
            self._control(Unit("show"), partial(self._core.send_show, xid=make_xid(cid, hop)))
        self.work()

    def rest(self, seconds: float) -> None:
        self._stop(seconds)
        self.work()

    def _push_journal(self) -> None:
        if not self._draining:
            self._journal.push()

    def _push_more(self) -> None:
        self._push_journal()
        self._flush()

    def _send_journal(self, after: int, rows: tuple[Row, ...], last: int) -> None:
        self._control(Unit("journal"), lambda unit: self._core.send_journal(unit, after, rows, last))

    def journal_changed(self) -> None:
        if self._secure and (self._ready or self._journal.wanted) and not self.ended.done():
            self._push_journal()
            self.work()

    def _send_cancel(self, item: Item) -> None:
        group = item.group
        self._control(Unit("cancel", item), lambda unit: self._core.send_cancel(unit, group.xid, group.seal))

    def _control(self, unit: Unit, send: Callable[[Unit], None]) -> None:
        self._controls.append((unit, send))
        self._send_controls()

    def _send_controls(self) -> None:
        while self._controls and self._core.can_control:
            unit, send = self._controls.popleft()
            self._in_flight.append(unit)
            send(unit)

    def _committed(self, durable: bool) -> None:
        self._committing -= 1
        if not durable:
            self._stop(STORE_PAUSE_SECONDS)
        self.work()

    # --- the end
    def _stop(self, pause_seconds: float) -> None:
        """Send nothing new on this session; the link says hello anew after the pause."""
        self._draining = True
        self._ready = False
        self._pause = max(self._pause, pause_seconds)

    def carried(self) -> set[tuple[str, int]]:
        """The hops that this session has sent and not had durably answered."""
        units = (*self._in_flight, *(unit for unit, _ in self._controls))
        return {(unit.item.cid, unit.item.hop) for unit in units if unit.item is not None}

    def hold(self) -> None:
        """No new unit; what is under way is read to its end. Before the hello is answered nothing is: its answer is
        judged by what is stored by then."""
        if self._greeted and not self._recovering:
            self._stop(SET_BACK_PAUSE)
            self.work_soon()

    def finish(self) -> None:
        self._draining = True
        if self._secure and self._greeted:
            self.work()
        elif self.pump is not None:
            self.pump.abort()

    def _idle_over(self) -> None:
        """Tell the peer what is settled, then end."""
        self._idle_timer = None
        if self._in_flight or self._committing or self._streaming:
            return
        settled = self._link.confirmable() if self._ready else 0
        if settled:
            self._draining = True
            self._control(Unit("confirm"), lambda unit: self._core.send_confirm(unit, settled))
            self._flush()
        else:
            self._quit()

    def _keep(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _quit(self) -> None:
        if not self._quit_sent:
            self._quit_sent = True
            self._core.quit()
            self._flush()

    def _flush(self) -> None:
        if self.pump is not None:
            self.pump.flush()

    def _fail(self, why: str) -> None:
        if not self._failure:
            self._failure = why
            self._link.health.up = False
            self._link.health.last_error = why

    def _end(self, ended: Ended) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)

    def _alarm(self, why: str, cid: str = "", *, about: log.Condition = log.Condition.REFUSED) -> None:
        text = f"{self._link.destination} ({self._peer.name}): {why}"
        self._log(log.Alarm(message=text, cid=cid, condition=about, subject=self._peer.serial))

    def _log(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


HELLO_PAUSE = {Keyword.SUSPENDED: 30.0}
REFUSED_PAUSE = 60.0


_EVENTS: dict[type, Callable[[LinkSession, Any], None]] = {
    cpq.TlsWanted: LinkSession._tls_wanted,
    cpq.Secure: LinkSession._on_secure,
    cpq.HelloAnswered: LinkSession._hello_answered,
    cpq.UnitAnswered: LinkSession._unit_answered,
    cpq.ClientEnded: LinkSession._client_ended,
}
