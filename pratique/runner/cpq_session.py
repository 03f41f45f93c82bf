"""One session of the quarantine port, from the TCP connection to its end (docs/cpq.md: connection, session hello)."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pratique.delivery.custody import Answer
from pratique.mail.ids import parse_xid
from pratique.net.listener import keep_alive
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo
from pratique.runner.cpq_parts import Offer, Port, verdict_of, wire_row
from pratique.runner.hello import Compared, Memory, clocks_differ, compare, held_as, set_back_text, taken_from
from pratique.runner.next_certificate import heard, shown
from pratique.runner.readiness import Asker
from pratique.runner.refusals import tls_cure
from pratique.runner.services import audit
from pratique.store.interface import BodyWriter
from pratique.store.moves import (
    Cancel,
    Confirm,
    HelloTaken,
    JournalIn,
    JournalTaken,
    PutPeer,
    Receive,
    Received,
    StoreFailed,
)
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer import events as cpq
from pratique.transfer.messages import (
    V_CLOSING,
    V_FENCED,
    V_FULL,
    V_RECON,
    V_STORE,
    V_SUSPENDED,
    Hello,
    Keyword,
    Verdict,
)
from pratique.transfer.server import ServerConnection

HELLO_SECONDS = 30.0  # from connect to XQHELLO: a stranger holds a connection no longer
IDLE_SECONDS = 30.0
WALL_SECONDS = 900.0  # an old session cannot commit for ever (docs/cpq.md, session life)
SERVICE_OFF = "service"  # what a gateway reads for which an administrator has the service off
STRANGERS_PER_ADDRESS = 20  # connections before hello from one address


class CpqSession:
    """One connection from an enrolled peer (or a stranger, until TLS says otherwise)."""

    def __init__(self, service: Port, machine: ServerConnection) -> None:
        self._service = service
        self._services = service.services
        self._core = machine
        self._pump: Pump | None = None
        self._tls = TlsInfo("", "", b"")
        self._peer: Peer | None = None
        self._memory: Peer | None = None  # what was remembered of the peer at the EHLO in TLS
        self.serial = ""
        self.nonce = ""
        self._inc = 0
        self.icid = 0
        self._stranger = True
        self._ready = False
        self._hello_said: Hello | None = None
        self._clock_differs = False
        self._writers: dict[int, BodyWriter | None] = {}  # None: the store refused the body
        self._run_due = False
        self._quit = False
        self._said_why = False  # in the log: one line for one refusal

    # --- Handler
    def opened(self, pump: Pump) -> None:
        self._pump = pump
        self.icid = next(self._services.numbers.icid)
        service = self._service
        service.sessions.add(self)
        service.strangers[pump.peer[0]] += 1
        self._log(
            log.NewIcid(
                protocol="CPQ",
                icid=self.icid,
                interface=service.settings.interface,
                interface_ip=pump.local[0],
                address=pump.peer[0],
            )
        )
        keep_alive(pump)
        pump.live_at_most(WALL_SECONDS)
        pump.expect_within(HELLO_SECONDS)
        if service.closing or service.strangers[pump.peer[0]] > STRANGERS_PER_ADDRESS:
            self._core.refuse_busy()
        else:
            self._core.greet()

    def event(self, event: cpq.ServerEvent) -> None:
        _EVENTS[type(event)](self, event)

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        self._tls = info
        peer = self._service.trust.peer_of(info)
        if peer is None:
            self._refused("its certificate is not enrolled here; run `pratique enroll` with the appliance's file")
        elif peer.locked:
            self._refused(f"appliance {peer.serial} is locked: {peer.locked}")
        else:
            self._peer = peer
            self.serial = peer.serial
            self._log(log.IcidTls(icid=self.icid, protocol=info.protocol, cipher=info.cipher))
            shown(self._services, self._service.trust, peer, info)
        self._core.tls_started(enrolled=self._peer is not None)

    def tls_failed(self, reason: str) -> None:
        assert self._pump is not None
        self._log(
            log.IcidTlsFailed(
                icid=self.icid,
                address=self._pump.peer[0],
                reason=f"{reason}; {tls_cure(reason)}",
            )
        )

    def timed_out(self, what: str) -> None:
        self.end(V_CLOSING)

    def drained(self) -> None:
        return

    def closed(self, error: Exception | None) -> None:
        for writer in self._writers.values():
            if writer is not None:
                writer.abort()
        self._writers.clear()
        self._service.sessions.discard(self)
        assert self._pump is not None
        if self._stranger:
            self._no_stranger()
        self._log(log.IcidClose(icid=self.icid) if self._quit else log.IcidLost(icid=self.icid))

    # --- events of the machine
    def _start_tls(self, event: cpq.StartTls) -> None:
        assert self._pump is not None
        self._pump.start_tls(self._service.trust.context(server_side=True), server_side=True)

    def _secure_ehlo(self, event: cpq.SecureEhlo) -> None:
        self._memory = self._services.store.view.peer(self.serial)

    def _hello(self, event: cpq.HelloGiven) -> None:
        hello = event.hello
        assert self._peer is not None
        if hello.serial != self._peer.serial:
            self._refused(f"it says serial {hello.serial}, its certificate belongs to {self._peer.serial}")
            self._core.answer_hello(self._service.hello_reply(Keyword.DENIED, self._peer))
            return
        before = self._memory or self._peer
        found = compare(me=self._me(), peer_before=Memory(before.inc, before.seq), hello=hello)
        move = taken_from(
            hello,
            Compared(found.here or hello.rolled, found.there),
            compared=(self._me().inc, before.inc),
            opened=self._services.store.identity.opened,
            at=self._services.clock.now_ms(),
        )
        self._submit(move, lambda result: self._hello_taken(hello, result), lambda: self._hello_failed())

    def _hello_failed(self) -> None:
        self.end(V_CLOSING)

    def _hello_taken(self, hello: Hello, taken: HelloTaken) -> None:
        if taken.fenced:
            self._fenced(hello)
            return
        self._service.fence(hello.serial, hello.nonce, but=self)
        self.nonce, self._inc = hello.nonce, hello.inc
        peer = self._services.store.view.peer(hello.serial) or taken.before
        heard(self._services, self._service.trust, peer, hello, then=lambda _: self._hello_known(hello, taken))

    def _hello_known(self, hello: Hello, taken: HelloTaken) -> None:
        """All that the hello says is durable."""
        peer = self._services.store.view.peer(hello.serial) or taken.before
        held, why = held_as(peer), ""
        if held is None:
            keyword, why = self._standing(peer)
        else:
            keyword = held
            self._set_back(hello, taken.before, peer)
            self._service.recover(peer)
        if taken.before.set_back_there and not peer.set_back_there:
            self._service.recover(peer)
        self._peer = self._memory = peer
        self._ready = keyword is Keyword.READY
        self._hello_said = hello
        now = self._services.clock.now_ms()
        self._services.peer_clocks[hello.serial] = hello.at_ms - now
        self._clock_differs = differ = clocks_differ(hello, now)
        self._service.taker.clocks(peer, differ=differ)
        if differ:
            self._log(
                log.Alarm(
                    message=f"the clock of {peer.name} differs from ours by more than 5 minutes: set both",
                    condition=log.Condition.CLOCK,
                    subject=peer.serial,
                )
            )
        self._core.answer_hello(self._service.hello_reply(keyword, peer, why=why))
        assert self._pump is not None
        self._no_stranger()
        self._pump.expect_within(IDLE_SECONDS)
        self._pump.run()
        if keyword in (Keyword.READY, Keyword.SUSPENDED):
            self._service.taker.met(peer)

    def _fenced(self, hello: Hello) -> None:
        assert self._peer is not None
        reply = self._service.hello_reply(Keyword.FENCED, self._peer)
        memory, now = self._memory, self._services.store.view.peer(hello.serial)
        known = now is not None and now.locked  # the other of the two was fenced first
        if memory is not None and memory.nonce not in ("", hello.nonce) and not known:
            # A nonce is never used again after a restart, and this session began after the newer one was durable:
            # two machines run under one identity (docs/cpq.md, session hello).
            why = (
                "two machines use this identity (a cloned appliance); stop one, restart the other, then "
                "`pratique enroll --unlock`"
            )
            self._log(
                log.Alarm(
                    message=f"appliance {self._peer.name} ({hello.serial}) is locked: {why}",
                    condition=log.Condition.LOCKED,
                    subject=hello.serial,
                )
            )
            locked = replace(self._peer, locked=why)
            entry = audit("system", "lock-peer", detail=json.dumps({"serial": hello.serial, "why": why}))
            self._submit(PutPeer(locked, (entry,)), lambda _: self._locked(hello.serial), lambda: None)
        self._core.answer_hello(reply)
        if self._pump is not None:
            self._pump.run()

    def _locked(self, serial: str) -> None:
        self._service.trust.refresh()
        self._service.drop_peer(serial)

    def _me(self) -> Memory:
        store = self._services.store
        return Memory(store.identity.inc, store.committed_seq())

    def _set_back(self, hello: Hello, before: Peer, peer: Peer) -> None:
        """One alarm when it is found; while it waits, every hello only says so."""
        if (before.set_back_here, before.set_back_there) == (peer.set_back_here, peer.set_back_there):
            self._log(log.DebugNote(message=f"{peer.name}: {held_as(peer)} until somebody accepts the set-back"))
            return
        self._log(
            log.Alarm(
                message=set_back_text(peer, hello, self._me()), condition=log.Condition.SET_BACK, subject=peer.serial
            )
        )
        self._service.set_back(peer, hello.seq)

    def _group_begun(self, event: cpq.GroupBegun) -> None:
        try:
            self._writers[event.unit] = self._services.store.spool.writer(digest=False)
        except StoreFailed:
            self._writers[event.unit] = None

    def _body_chunk(self, event: cpq.BodyChunk) -> None:
        writer = self._writers.get(event.unit)
        if writer is None:
            return
        try:
            writer.write(event.data)
        except StoreFailed:
            writer.abort()
            self._writers[event.unit] = None

    def _group_refused(self, event: cpq.GroupRefused) -> None:
        writer = self._writers.pop(event.unit, None)
        if writer is not None:
            writer.abort()
        self._log(log.Trouble(message=f"ICID {self.icid} transfer {event.xid} refused: {event.verdict.keyword}"))

    def _group_ended(self, event: cpq.GroupEnded) -> None:
        unit, group = event.unit, event.group
        writer = self._writers.pop(unit)
        if writer is None:
            self._core.answer(unit, V_FULL)
            return
        if not self._ready or self._standing(self._peer)[0] is not Keyword.READY:
            writer.abort()
            self._core.answer(unit, V_SUSPENDED)
            return
        octets = writer.octets()
        try:
            stored = writer.finish(group.sha256)  # of these octets, by the reader of the group
        except StoreFailed:
            self._core.answer(unit, V_FULL)
            return
        assert self._peer is not None and self._pump is not None
        offer = Offer(self._peer, group, stored, octets, self.icid, self._pump.peer[0], self._tls)
        self._service.taker.take(offer, lambda decided: self._decided(unit, offer, decided))

    def _decided(self, unit: int, offer: Offer, decided: Receive | Verdict) -> None:
        if isinstance(decided, Verdict):
            self._services.store.spool.drop([offer.stored.extent])
            self._log(log.Trouble(message=f"ICID {self.icid} transfer {offer.group.xid} refused: {decided.keyword}"))
            self._answer(unit, decided)
            return
        move = Receive(
            peer=decided.peer,
            nonce=self.nonce,
            inc=self._inc,
            hop=decided.hop,
            seal=decided.seal,
            seq=decided.seq,
            copy=decided.copy,
            audit=decided.audit,
        )
        self._submit(
            move,
            lambda received: self._received(unit, offer, move, received),
            lambda: self._not_stored(unit, offer),
        )

    def _not_stored(self, unit: int, offer: Offer) -> None:
        self._services.store.spool.drop([offer.stored.extent])
        self._answer(unit, V_STORE)

    def _received(self, unit: int, offer: Offer, move: Receive, received: Received) -> None:
        if received.answer == Answer.COMMIT_ACC:
            self._service.taker.taken(offer, move)
        else:
            self._services.store.spool.drop([offer.stored.extent])
        self._answer_received(unit, offer.group.xid, received)

    def _answer_received(self, unit: int, xid: str, received: Received) -> None:
        if received.answer == "FENCED":
            self.end(V_FENCED)
            return
        if received.answer == "HELD":  # a set-back was found since this session's hello
            self._answer(unit, V_RECON)
            return
        if received.answer == Answer.CONFLICT:
            self._log(
                log.Alarm(
                    message=f"ICID {self.icid} transfer {xid} of {self.serial} conflicts with one that we know",
                    condition=log.Condition.CONFLICT,
                    subject=self.serial,
                )
            )
        elif received.answer == Answer.ACC_AGAIN:
            self._log(log.DebugNote(message=f"ICID {self.icid} transfer {xid} was here already, acknowledged again"))
        self._answer(unit, verdict_of(received))

    def _cancel(self, event: cpq.CancelGiven) -> None:
        cid, hop = parse_xid(event.xid)
        move = Cancel(
            peer=self.serial,
            nonce=self.nonce,
            inc=self._inc,
            cid=cid,
            hop=hop,
            seal=event.seal,
            at=self._services.clock.now_ms(),
        )
        self._submit(
            move,
            lambda received: self._answer_received(event.unit, event.xid, received),
            lambda: self._answer(event.unit, V_STORE),
        )

    def _confirm(self, event: cpq.ConfirmGiven) -> None:
        def confirmed(_: Any) -> None:
            self._core.answer_confirmed(event.unit)
            self._run_soon()

        self._submit(Confirm(self.serial, event.seq), confirmed, lambda: self.end(V_CLOSING))

    def _journal(self, event: cpq.JournalGiven) -> None:
        rows = tuple(
            (row.seq, row.state, *parse_xid(row.xid), row.seal, row.at_ms, json.dumps(dict(row.pairs)))
            for row in event.rows
        )

        def applied(taken: JournalTaken) -> None:
            assert self._peer is not None
            self._core.answer_journal(event.unit, taken.applied, gap=taken.gap)
            self._service.taker.journal(self._peer, event.rows, taken)
            self._run_soon()

        self._submit(JournalIn(self.serial, event.after, event.last, rows), applied, lambda: self.end(V_CLOSING))

    def _show(self, event: cpq.ShowGiven) -> None:
        """What is committed is shown; nothing of this peer is under way while it asks."""
        row = self._services.store.view.shown(self.serial, *parse_xid(event.xid))
        self._core.answer_show(event.unit, None if row is None else wire_row(row))
        self._run_soon()

    def _stat(self, event: cpq.StatGiven) -> None:
        assert self._peer is not None and self._hello_said is not None
        known = self._services.store.view.peer(self.serial)
        believed = self._service.trust.peer_of(self._tls)
        asker = Asker(
            peer=known if believed is not None and believed.serial == self.serial else None,
            versions=self._hello_said.versions,
            clock_differs=self._clock_differs,
            members=event.members,
            listening=self._service.listening,
        )
        keyword, why = self._standing(known or self._peer)
        reply = self._service.hello_reply(keyword, known or self._peer, why=why)
        self._core.answer_stat(event.unit, replace(reply, checks=self._service.taker.checks(asker)))

    def _ended(self, event: cpq.ServerEnded) -> None:
        self._quit = event.clean
        if event.reason and not event.clean and not self._said_why:
            self._refused(event.reason)
        assert self._pump is not None
        self._pump.close()

    # --- helpers
    def _standing(self, peer: Peer | None) -> tuple[Keyword, str]:
        """What this peer's hello is answered, set-backs aside."""
        return (
            (Keyword.SUSPENDED, SERVICE_OFF)
            if peer is not None and peer.service_off
            else self._service.taker.standing()
        )

    def end(self, verdict: Verdict) -> None:
        """Say 421 after the replies that are due, then close. What was not answered stays in the peer's doubt."""
        self._quit = True
        self._core.close(verdict)
        if self._pump is not None:
            self._pump.run()

    def _answer(self, unit: int, verdict: Verdict) -> None:
        self._core.answer(unit, verdict)
        self._run_soon()

    def _run_soon(self) -> None:
        """One write for all the answers that come in this turn of the loop."""
        if not self._run_due:
            self._run_due = True
            asyncio.get_running_loop().call_soon(self._run_now)

    def _run_now(self) -> None:
        self._run_due = False
        if self._pump is not None:
            self._pump.touch()
            self._pump.run()

    def _submit(self, move: Any, done: Callable[[Any], None], failed: Callable[[], None]) -> None:
        def ended(future: Any) -> None:
            if future.cancelled() or (error := future.exception()) is not None:
                if not future.cancelled():
                    self._log(
                        log.Fault(
                            condition=log.Condition.STORE,
                            error=f"store: {error}; the peer keeps its message and sends it again",
                        )
                    )
                failed()
            else:
                done(future.result())

        self._services.store.submit(move).add_done_callback(ended)

    def _refused(self, why: str) -> None:
        assert self._pump is not None
        self._said_why = True
        self._log(log.IcidRefused(icid=self.icid, address=self._pump.peer[0], reason=why))

    def _no_stranger(self) -> None:
        if self._stranger and self._pump is not None:
            self._stranger = False
            strangers, address = self._service.strangers, self._pump.peer[0]
            strangers[address] -= 1
            if strangers[address] <= 0:
                del strangers[address]

    def _log(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


_EVENTS: dict[type, Callable[[CpqSession, Any], None]] = {
    cpq.StartTls: CpqSession._start_tls,
    cpq.SecureEhlo: CpqSession._secure_ehlo,
    cpq.HelloGiven: CpqSession._hello,
    cpq.GroupBegun: CpqSession._group_begun,
    cpq.BodyChunk: CpqSession._body_chunk,
    cpq.GroupEnded: CpqSession._group_ended,
    cpq.GroupRefused: CpqSession._group_refused,
    cpq.CancelGiven: CpqSession._cancel,
    cpq.ConfirmGiven: CpqSession._confirm,
    cpq.JournalGiven: CpqSession._journal,
    cpq.ShowGiven: CpqSession._show,
    cpq.StatGiven: CpqSession._stat,
    cpq.ServerEnded: CpqSession._ended,
}
