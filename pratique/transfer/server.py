"""The server side of CPQ as a state machine without I/O (docs/cpq.md §1-§7).

    core = ServerConnection(hostname="sma.example", limits=Limits(), side="manager")
    core.greet()
    core.receive_data(octets)
    while (event := core.next_event()) is not None: ...
    transport.write(core.data_to_send())

Units take effect in wire order; `answer*` may be called in any order, replies leave in unit order.
Memory is bounded by Limits; body octets are handed on as they arrive, never kept.

Here are the phases of a session up to XQHELLO and its end; what comes between is read by `units`. Not here: custody
(who may have which copy), time (the edge's deadlines), certificates.
"""

from collections import deque
from enum import Enum, auto

from pratique.transfer import grammar, handshake, replies
from pratique.transfer.buffer import Input
from pratique.transfer.events import HelloGiven, SecureEhlo, ServerEnded, ServerEvent, StartTls
from pratique.transfer.grammar import FramingLost, parsed
from pratique.transfer.messages import Hello, HelloReply, Keyword, Limits, Row, Verdict
from pratique.transfer.order import ReplyOrder
from pratique.transfer.units import UnitReader, next_line

WRONG_IN_CLEAR_MAX = 5  # commands other than EHLO, STARTTLS, NOOP, QUIT before TLS; then the peer is no CPQ client
BEFORE_HELLO_MAX = 4_096  # octets of input in clear, and again in TLS before XQHELLO: what a stranger may cost


class _Phase(Enum):
    CLEAR = auto()  # EHLO, STARTTLS, NOOP, QUIT
    TLS_STARTING = auto()  # the octets belong to the TLS handshake
    SECURE = auto()  # inside TLS: EHLO first, then XQHELLO
    HELLO_OPEN = auto()  # XQHELLO waits for its answer, nothing is read
    UNITS = auto()
    OVER = auto()  # no more input is read; replies that are due may still wait for answers


_READING = frozenset({_Phase.CLEAR, _Phase.SECURE, _Phase.UNITS})


class ServerConnection:
    def __init__(self, *, hostname: str, limits: Limits, side: str) -> None:
        """`side` is "manager" (takes odd hops) or "gateway" (takes even hops); other hops get XQDENIED."""
        assert side in ("manager", "gateway")
        self._hostname = hostname
        self._limits = limits
        self._phase = _Phase.CLEAR
        self._source = Input()
        self._order = ReplyOrder()
        self._events: deque[ServerEvent] = deque()
        self._units = UnitReader(
            limits=limits,
            odd_hops=side == "manager",
            order=self._order,
            source=self._source,
            events=self._events,
        )
        self._wrong_in_clear = 0
        self._before_hello = 0  # octets read in CLEAR or SECURE
        self._enrolled = False
        self._ehlo_given = False
        self._end: ServerEnded | None = None  # said as soon as the last due reply has left
        self._end_told = False

    # --- what the edge calls ---------------------------------------------------------------------------------------
    def greet(self) -> None:
        self._order.say(f"220 {self._hostname} ESMTP\r\n".encode("ascii"))

    def refuse_busy(self) -> None:
        """421 4.3.2 <hostname> busy, then end."""
        self._finish(f"421 4.3.2 {self._hostname} busy\r\n".encode("ascii"), ServerEnded(clean=False, reason="busy"))

    def receive_data(self, data: bytes) -> None:
        phase = self._phase
        if phase is _Phase.OVER or not data:
            return
        if phase is _Phase.TLS_STARTING:
            # These octets came in clear text behind STARTTLS and must never be read as commands (RFC 3207 §4.2).
            self._stop(ServerEnded(clean=False, reason="octets behind STARTTLS"))
            return
        self._source.feed(data)
        if phase is not _Phase.UNITS:
            self._before_hello += len(data)
        self._read()

    def receive_eof(self) -> None:
        if not self._end_told:
            starting = self._phase is _Phase.TLS_STARTING
            clean = self.idle and not starting and not self._source.waiting
            self._stop(ServerEnded(clean=clean, reason="closed by peer"))

    def next_event(self) -> ServerEvent | None:
        return self._events.popleft() if self._events else None

    def tls_started(self, *, enrolled: bool) -> None:
        """TLS is up. `enrolled` false: EHLO is answered 550 5.7.1 XQNOTENROLLED and the session ends."""
        if self._phase is _Phase.OVER:
            return
        assert self._phase is _Phase.TLS_STARTING
        self._phase = _Phase.SECURE
        self._enrolled = enrolled
        self._before_hello = 0

    def answer_hello(self, reply: HelloReply) -> None:
        if self._phase is _Phase.OVER:
            return
        assert self._phase is _Phase.HELLO_OPEN, "no XQHELLO is open"
        octets = handshake.encode_hello_reply(reply)
        if reply.keyword in handshake.ENDS_SESSION:
            self._finish(octets, ServerEnded(clean=False, reason=reply.keyword.value))
            return
        self._order.say(octets)
        self._units.enter(reply.keyword)
        self._phase = _Phase.UNITS

    def answer(self, unit: int, verdict: Verdict) -> None:
        """Any unit may be answered so. A verdict 421 ends the session when its turn comes."""
        xid = self._order.xid_of(unit)
        if xid is None:
            return  # the session has ended; the peer will send the unit again
        if verdict.code == 421:
            end = ServerEnded(clean=False, reason=verdict.keyword.value)
            self._end_behind(unit, replies.encode_verdict(verdict, "-"), end)
        else:
            self._decide(unit, replies.encode_verdict(verdict, xid))

    def answer_show(self, unit: int, row: Row | None) -> None:
        xid = self._order.xid_of(unit)
        if xid is not None:
            self._decide(unit, replies.shown(xid, row))

    def answer_confirmed(self, unit: int) -> None:
        self._decide(unit, replies.CONFIRMED)

    def answer_journal(self, unit: int, applied: int, *, gap: bool) -> None:
        self._decide(unit, replies.journal_taken(applied, gap=gap))

    def answer_stat(self, unit: int, reply: HelloReply) -> None:
        self._decide(unit, handshake.encode_stat_reply(reply))

    def close(self, verdict: Verdict) -> None:
        """421 XQCLOSING - or XQFENCED - after the replies that are due, then end. Units without an answer stay so."""
        assert verdict.code == 421
        self._finish(replies.encode_verdict(verdict, "-"), ServerEnded(clean=False, reason=verdict.keyword.value))

    def data_to_send(self) -> bytes:
        return self._order.take()

    @property
    def idle(self) -> bool:
        """No unit is open and no answer is owed."""
        return self._order.open_units == 0 and self._phase is not _Phase.HELLO_OPEN

    # --- the end ---------------------------------------------------------------------------------------------------
    def _finish(self, reply: bytes, end: ServerEnded) -> None:
        """`reply` leaves at once and is the last."""
        self._order.end(reply)
        self._stop(end)

    def _stop(self, end: ServerEnded) -> None:
        """Nothing more is read or said; what has been released may still be sent."""
        self._phase = _Phase.OVER
        self._order.abandon()
        self._source.clear()
        if not self._end_told:
            self._end_told = True
            self._events.append(end)

    def _end_behind(self, unit: int, reply: bytes, end: ServerEnded) -> None:
        """No more input is read; `reply` is the last one, in the place of `unit`, when the units before it have been
        answered."""
        self._phase = _Phase.OVER
        self._source.clear()
        self._end = end
        self._order.decide(unit, reply, ends=True)
        self._tell_end()

    def _decide(self, unit: int, reply: bytes) -> None:
        if self._order.xid_of(unit) is not None:
            self._order.decide(unit, reply)
            self._tell_end()

    def _tell_end(self) -> None:
        if self._order.ended and self._end is not None:
            self._stop(self._end)

    # --- reading ---------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        """Everything that has come and can be read now."""
        units = self._units
        try:
            while self._phase in _READING:
                if units.group is not None:
                    if not units.read_group():
                        return
                elif units.expects_payload:
                    if not units.read_payload():
                        return
                elif self._phase is _Phase.UNITS and units.take_whole():
                    continue
                elif (line := self._next_line()) is None:
                    return
                else:
                    self._on_line(line)
            if self._phase is _Phase.HELLO_OPEN and self._source.waiting:
                raise FramingLost("octets before the reply to XQHELLO")
        except FramingLost as lost:
            # The replies due are sent, also those that still wait for an answer; then 500 and the end.
            reply = f"500 5.5.2 {Keyword.FRAME.value} - {lost.why}\r\n".encode("ascii")
            end = ServerEnded(clean=False, reason=f"{Keyword.FRAME.value}: {lost.why}")
            self._end_behind(self._units.give_up(), reply, end)

    def _next_line(self) -> bytes | None:
        line = next_line(self._source)
        if self._phase is not _Phase.UNITS and self._before_hello - self._source.waiting > BEFORE_HELLO_MAX:
            raise FramingLost("too much before XQHELLO")
        return line

    def _on_line(self, line: bytes) -> None:
        if self._phase is _Phase.CLEAR:
            self._on_clear_line(line)
            return
        verb = grammar.verb_of(line)
        if line == b"QUIT":
            self._on_quit()
        elif verb == b"XQHELLO":
            self._on_hello(line)
        elif self._phase is _Phase.UNITS:
            self._units.on_line(line)
        elif verb == b"EHLO":
            self._on_secure_ehlo(line)
        elif verb == b"NOOP":
            self._units.on_noop(line)
        else:
            self._units.on_unknown(line)

    def _on_clear_line(self, line: bytes) -> None:
        if grammar.EHLO.match(line):
            self._order.say(f"250-{self._hostname}\r\n250 STARTTLS\r\n".encode("ascii"))
        elif line == b"STARTTLS":
            self._on_starttls()
        elif line == b"NOOP":
            self._order.say(replies.OK)
        elif line == b"QUIT":
            self._on_quit()
        else:
            self._on_wrong_in_clear(line)

    def _on_starttls(self) -> None:
        if self._source.waiting:  # injected behind the command: no 220, close (RFC 3207 §4.2)
            self._stop(ServerEnded(clean=False, reason="octets behind STARTTLS"))
            return
        self._order.say(replies.READY_FOR_TLS)
        self._phase = _Phase.TLS_STARTING
        self._events.append(StartTls())

    def _on_wrong_in_clear(self, line: bytes) -> None:
        parsed(grammar.COMMAND, line)
        self._wrong_in_clear += 1
        if self._wrong_in_clear >= WRONG_IN_CLEAR_MAX:
            self._finish(replies.NEED_TLS, ServerEnded(clean=False, reason=Keyword.TLS.value))
        else:
            self._order.say(replies.NEED_TLS)

    def _on_secure_ehlo(self, line: bytes) -> None:
        parsed(grammar.EHLO, line)
        if not self._enrolled:
            self._finish(replies.NOT_ENROLLED, ServerEnded(clean=False, reason=Keyword.NOT_ENROLLED.value))
            return
        self._order.say(handshake.encode_ehlo_reply(self._hostname, self._limits))
        self._ehlo_given = True
        self._events.append(SecureEhlo())

    def _on_hello(self, line: bytes) -> None:
        pairs = parsed(grammar.HELLO, line).group(1)
        if not self._ehlo_given:
            raise FramingLost("XQHELLO before EHLO")
        if self._order.open_units:
            raise FramingLost("XQHELLO while units are unanswered")
        try:
            hello = handshake.parse_hello(pairs)
        except ValueError:
            self._order.say(replies.BAD_HELLO)
            return
        if handshake.speaks_ours(hello.versions):
            self._phase = _Phase.HELLO_OPEN
            self._events.append(HelloGiven(hello))
        else:
            self._refuse_version(hello)

    def _refuse_version(self, hello: Hello) -> None:
        octets = handshake.encode_hello_reply(HelloReply(Keyword.VERSION, hello))
        self._finish(octets, ServerEnded(clean=False, reason=Keyword.VERSION.value))

    def _on_quit(self) -> None:
        """221 behind every reply that is due."""
        end = ServerEnded(clean=True, reason="QUIT")
        self._end_behind(self._order.open("-", 0), replies.GOODBYE, end)
