"""The server side of CPQ as a state machine without I/O (docs/cpq.md §1-§7).

    core = ServerConnection(hostname="sma.example", limits=Limits(), side="manager")
    core.greet()
    core.receive_data(octets)
    while (event := core.next_event()) is not None: ...
    transport.write(core.data_to_send())

Units take effect in wire order; `answer*` may be called in any order, replies leave in unit order.
Memory is bounded by Limits; body octets are handed on as they arrive, never kept.

Not here: custody (who may have which copy), time (the edge's deadlines), certificates. The first stage of the protocol
is spoken: XQFETCH, XQSHOW and XQORDER are unknown verbs.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from pratique.transfer import grammar, handshake, journal, replies
from pratique.transfer.events import (
    BodyChunk,
    CancelGiven,
    ConfirmGiven,
    GroupBegun,
    GroupEnded,
    GroupRefused,
    HelloGiven,
    JournalGiven,
    SecureEhlo,
    ServerEnded,
    ServerEvent,
    StartTls,
    StatGiven,
)
from pratique.transfer.group import FramingLost, GroupReader
from pratique.transfer.messages import (
    V_DENIED,
    V_DIGEST,
    V_PARAMETER,
    V_RECON,
    V_SUSPENDED,
    HelloReply,
    Keyword,
    Limits,
    Verdict,
)
from pratique.transfer.order import ReplyOrder

WRONG_IN_CLEAR_MAX = 5  # commands other than EHLO, STARTTLS, NOOP, QUIT before TLS; then the peer is no CPQ client
BEFORE_HELLO_MAX = 4_096  # octets of input before XQHELLO is answered; a stranger costs no more memory than that


class _Phase(Enum):
    CLEAR = auto()  # EHLO, STARTTLS, NOOP, QUIT
    TLS_STARTING = auto()  # the octets belong to the TLS handshake
    SECURE = auto()  # inside TLS: EHLO first, then XQHELLO
    HELLO_OPEN = auto()  # XQHELLO waits for its answer, nothing is read
    UNITS = auto()
    OVER = auto()  # no more input is read; replies that are due may still wait for answers


class _Payload(Enum):
    """What the octets behind the last command line are."""

    METADATA = auto()
    BODY = auto()
    JOURNAL = auto()


# Group and control verbs that are answered other than by doing them, by the state that the last hello reply named.
_GROUP_NOT_NOW: dict[Keyword, Verdict | None] = {
    Keyword.READY: None,
    Keyword.SUSPENDED: V_SUSPENDED,
    Keyword.RECON: V_RECON,
    Keyword.ROLLED: V_RECON,
}
_CONTROL_NOT_NOW: dict[Keyword, Verdict | None] = {
    Keyword.READY: None,
    Keyword.SUSPENDED: None,  # a cancel only takes doubt away
    Keyword.RECON: V_RECON,
    Keyword.ROLLED: V_RECON,
}


class ServerConnection:
    def __init__(self, *, hostname: str, limits: Limits, side: str) -> None:
        """`side` is "manager" (takes odd hops) or "gateway" (takes even hops); other hops get XQDENIED."""
        assert side in ("manager", "gateway")
        self._hostname = hostname
        self._limits = limits
        self._odd_hops = side == "manager"
        self._phase = _Phase.CLEAR
        self._buffer = b""
        self._at = 0  # everything before it has been read
        self._order = ReplyOrder()
        self._events: deque[ServerEvent] = deque()
        self._wrong_in_clear = 0
        self._before_hello = 0
        self._enrolled = False
        self._ehlo_given = False
        self._state = Keyword.READY  # of the last hello reply
        self._group: GroupReader | None = None
        self._payload: _Payload | None = None
        self._wanted = 0  # octets of the payload still to come
        self._parts: list[bytes] = []  # of a payload that is kept whole
        self._meta_line = (0, "")  # version, seal
        self._journal_line = (0, 0, 0, "")  # unit, after, last, digest
        self._last_chunk = False
        self._end: ServerEnded | None = None  # said as soon as the last due reply has left
        self._end_told = False
        # one table per phase: verb -> what it does; absent inside SECURE and UNITS is 502, inside a group framing
        self._units: dict[bytes, Callable[[bytes], None]] = {
            b"MAIL": self._on_mail,
            b"NOOP": self._on_noop,
            b"QUIT": self._on_quit,
            b"XQCANCEL": self._on_cancel,
            b"XQCONFIRM": self._on_confirm,
            b"XQHELLO": self._on_hello,
            b"XQJRNL": self._on_journal,
            b"XQSTAT": self._on_stat,
        }
        self._inside_group: dict[bytes, Callable[[bytes], None]] = {
            b"RCPT": self._on_rcpt,
            b"XQMETA": self._on_meta,
            b"BDAT": self._on_bdat,
        }
        self._secure: dict[bytes, Callable[[bytes], None]] = {
            b"EHLO": self._on_secure_ehlo,
            b"NOOP": self._on_noop,
            b"QUIT": self._on_quit,
            b"XQHELLO": self._on_hello,
        }

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
            # These octets came in clear text behind STARTTLS; they must never be read as commands (CVE-2011-0411).
            self._stop(ServerEnded(clean=False, reason="octets behind STARTTLS"))
            return
        if phase is _Phase.HELLO_OPEN:
            self._lose_framing("octets before the reply to XQHELLO")
            return
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        if phase is not _Phase.UNITS:
            self._before_hello += len(data)
        self._read()

    def receive_eof(self) -> None:
        if self._end_told:
            return
        clean = self.idle and self._at >= len(self._buffer)
        self._stop(ServerEnded(clean=clean, reason="closed by peer"))

    def next_event(self) -> ServerEvent | None:
        return self._events.popleft() if self._events else None

    def tls_started(self, *, enrolled: bool) -> None:
        """TLS is up. `enrolled` false: EHLO is answered 550 5.7.1 XQNOTENROLLED and the session ends."""
        assert self._phase in (_Phase.TLS_STARTING, _Phase.OVER)
        if self._phase is _Phase.TLS_STARTING:
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
        self._state = reply.keyword
        self._phase = _Phase.UNITS
        self._read()

    def answer(self, unit: int, verdict: Verdict) -> None:
        """Any unit may be answered so. A verdict 421 ends the session when its turn comes."""
        xid = self._order.xid_of(unit)
        if xid is None:
            return  # the session has ended; the peer will send the unit again
        ends = verdict.code == 421
        if ends:
            self._phase = _Phase.OVER
            self._end = ServerEnded(clean=False, reason=verdict.keyword.value)
            xid = "-"
        self._decide(unit, replies.encode_verdict(verdict, xid), ends=ends)

    def answer_confirmed(self, unit: int) -> None:
        self._decide(unit, replies.CONFIRMED)

    def answer_journal(self, unit: int, applied: int, *, gap: bool) -> None:
        code = f"451 4.5.0 {Keyword.GAP.value}" if gap else f"250 2.0.0 {Keyword.JACK.value}"
        self._decide(unit, f"{code} - {applied}\r\n".encode("ascii"))

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
        self._buffer, self._at = b"", 0
        if not self._end_told:
            self._end_told = True
            self._events.append(end)

    def _lose_framing(self, why: str) -> None:
        """The replies due are sent, also those that still wait for an answer, then 500 and the end."""
        unit = self._group.unit if self._group is not None else self._order.open("-", 0)
        self._group = None
        reply = f"500 5.5.2 {Keyword.FRAME.value} - {why}\r\n".encode("ascii")
        self._end_behind(unit, reply, ServerEnded(clean=False, reason=f"{Keyword.FRAME.value}: {why}"))

    def _end_behind(self, unit: int, reply: bytes, end: ServerEnded) -> None:
        """No more input is read; `reply` is the last one, in the place of `unit`."""
        self._phase = _Phase.OVER
        self._buffer, self._at = b"", 0
        self._parts = []
        self._end = end
        self._decide(unit, reply, ends=True)

    def _decide(self, unit: int, reply: bytes, *, ends: bool = False) -> None:
        if self._order.xid_of(unit) is None:
            return
        self._order.decide(unit, reply, ends=ends)
        if self._order.ended and not self._end_told:
            assert self._end is not None
            self._stop(self._end)

    # --- reading ---------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        """Everything in the buffer that can be read now."""
        try:
            while self._phase in (_Phase.UNITS, _Phase.SECURE, _Phase.CLEAR):
                if self._payload is not None:
                    if not self._read_payload():
                        break
                elif (line := self._next_line()) is None:
                    break
                else:
                    self._on_line(line)
        except FramingLost as lost:
            self._lose_framing(lost.why)
        if self._phase is _Phase.HELLO_OPEN and self._at < len(self._buffer):
            self._lose_framing("octets before the reply to XQHELLO")

    def _next_line(self) -> bytes | None:
        """The next command line without CRLF; None when it has not come whole."""
        buffer, start = self._buffer, self._at
        end = buffer.find(b"\r\n", start, start + grammar.COMMAND_LINE_MAX)
        if end < 0:
            if len(buffer) - start >= grammar.COMMAND_LINE_MAX:
                raise FramingLost("line too long")
            if self._phase is not _Phase.UNITS and self._before_hello > BEFORE_HELLO_MAX:
                raise FramingLost("too much before XQHELLO")
            return None
        self._at = end + 2
        return buffer[start:end]

    def _on_line(self, line: bytes) -> None:
        if self._phase is _Phase.UNITS:
            verb = line.partition(b" ")[0].partition(b":")[0]
            group = self._group
            if group is None:
                self._units.get(verb, self._on_unknown)(line)
            elif (command := self._inside_group.get(verb)) is not None:
                self._grow(len(line) + 2)
                command(line)
            else:
                raise FramingLost("not a command of a group")
            return
        if self._before_hello > BEFORE_HELLO_MAX:
            raise FramingLost("too much before XQHELLO")
        if self._phase is _Phase.CLEAR:
            self._on_clear_line(line)
        else:
            self._secure.get(line.partition(b" ")[0], self._on_unknown)(line)

    def _begin_unit(self, xid: str, line: bytes) -> int:
        """Counts a unit against the window. An honest client cannot overrun it."""
        if self._order.open_units >= self._limits.window:
            raise FramingLost("over WIN")
        unit = self._order.open(xid, 0)
        self._grow(len(line) + 2)
        return unit

    def _grow(self, octets: int) -> None:
        order = self._order
        order.grow(octets)
        if order.octets > self._limits.window_bytes and order.open_units > 1:
            raise FramingLost("over WBYTES")  # a larger group may go alone

    # --- before units ----------------------------------------------------------------------------------------------
    def _on_clear_line(self, line: bytes) -> None:
        if grammar.EHLO.match(line):
            self._order.say(f"250-{self._hostname}\r\n250 STARTTLS\r\n".encode("ascii"))
        elif line == b"STARTTLS":
            if self._at < len(self._buffer):
                self._stop(ServerEnded(clean=False, reason="octets behind STARTTLS"))
                return
            self._order.say(b"220 2.0.0\r\n")
            self._phase = _Phase.TLS_STARTING
            self._buffer, self._at = b"", 0
            self._events.append(StartTls())
        elif line == b"NOOP":
            self._order.say(replies.OK)
        elif line == b"QUIT":
            self._on_quit(line)
        else:
            self._on_wrong_in_clear(line)

    def _on_wrong_in_clear(self, line: bytes) -> None:
        if grammar.VERB.match(line) is None:
            raise FramingLost("line does not parse")
        self._wrong_in_clear += 1
        if self._wrong_in_clear >= WRONG_IN_CLEAR_MAX:
            self._finish(replies.NEED_TLS, ServerEnded(clean=False, reason=Keyword.TLS.value))
        else:
            self._order.say(replies.NEED_TLS)

    def _on_secure_ehlo(self, line: bytes) -> None:
        if grammar.EHLO.match(line) is None:
            raise FramingLost("EHLO does not parse")
        if not self._enrolled:
            self._finish(
                f"550 5.7.1 {Keyword.NOT_ENROLLED.value}\r\n".encode("ascii"),
                ServerEnded(clean=False, reason=Keyword.NOT_ENROLLED.value),
            )
            return
        lines = (
            self._hostname,
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            f"SIZE {self._limits.message_bytes}",
            "CHUNKING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            f"LIMITS RCPTMAX={self._limits.recipients}",
        )
        self._order.say(("".join(f"250-{text}\r\n" for text in lines) + "250 XCPQ 1\r\n").encode("ascii"))
        self._ehlo_given = True
        self._events.append(SecureEhlo())

    def _on_hello(self, line: bytes) -> None:
        if not self._ehlo_given:
            raise FramingLost("XQHELLO before EHLO")
        if self._order.open_units:
            raise FramingLost("XQHELLO while units are unanswered")
        try:
            hello = handshake.parse_hello(line)
        except ValueError:
            self._order.say(b"555 5.5.4 XQPARAM -\r\n")
            return
        if hello is None:
            raise FramingLost("XQHELLO does not parse")
        if not handshake.speaks_ours(hello.versions):
            reply = HelloReply(Keyword.VERSION, hello)
            self._finish(handshake.encode_hello_reply(reply), ServerEnded(clean=False, reason=Keyword.VERSION.value))
            return
        self._phase = _Phase.HELLO_OPEN
        self._events.append(HelloGiven(hello))

    def _on_unknown(self, line: bytes) -> None:
        """A verb this stage does not have; it counts as a unit, which bounds the replies that wait."""
        if line.partition(b" ")[0].partition(b":")[0] in _KNOWN or grammar.VERB.match(line) is None:
            raise FramingLost("verb out of order or line does not parse")
        self._decide(self._begin_unit("-", line), replies.UNKNOWN_VERB)

    def _on_noop(self, line: bytes) -> None:
        if line != b"NOOP":
            raise FramingLost("NOOP does not parse")
        self._decide(self._begin_unit("-", line), replies.OK)

    def _on_quit(self, line: bytes) -> None:
        if line != b"QUIT":
            raise FramingLost("QUIT does not parse")
        end = ServerEnded(clean=True, reason="QUIT")
        self._end_behind(self._order.open("-", 0), replies.GOODBYE, end)

    # --- control commands ------------------------------------------------------------------------------------------
    def _on_cancel(self, line: bytes) -> None:
        match = grammar.CANCEL.match(line)
        if match is None:
            raise FramingLost("XQCANCEL does not parse")
        xid = match.group(1).decode()
        unit = self._begin_unit(xid, line)
        not_now = _CONTROL_NOT_NOW[self._state]
        if (int(xid[33:]) % 2 == 1) is not self._odd_hops:
            not_now = V_DENIED
        if not_now is not None:
            self.answer(unit, not_now)
        else:
            self._events.append(CancelGiven(unit, xid, match.group(2).decode()))

    def _on_confirm(self, line: bytes) -> None:
        match = grammar.CONFIRM.match(line)
        if match is None:
            raise FramingLost("XQCONFIRM does not parse")
        unit = self._begin_unit("-", line)
        not_now = _CONTROL_NOT_NOW[self._state]
        if int(match.group(1)) > grammar.NUMBER_MAX:
            not_now = V_PARAMETER
        if not_now is not None:
            self.answer(unit, not_now)
        else:
            self._events.append(ConfirmGiven(unit, int(match.group(1))))

    def _on_stat(self, line: bytes) -> None:
        match = grammar.STAT.match(line)
        if match is None:
            raise FramingLost("XQSTAT does not parse")
        members = match.group(1)
        names = tuple(members.decode().split(",")) if members else ()
        self._events.append(StatGiven(self._begin_unit("-", line), names))

    def _on_journal(self, line: bytes) -> None:
        match = grammar.JOURNAL.match(line)
        if match is None:
            raise FramingLost("XQJRNL does not parse")
        after, last, octets = (int(match.group(place)) for place in (1, 2, 3))
        if octets > journal.PAYLOAD_MAX:
            raise FramingLost("XQJRNL too large")
        unit = self._begin_unit("-", line)
        self._grow(octets)
        self._journal_line = (unit, after, last, match.group(4).decode())
        self._expect(_Payload.JOURNAL, octets)

    def _journal_read(self, payload: bytes) -> None:
        unit, after, last, digest = self._journal_line
        if hashlib.sha256(payload).hexdigest() != digest:
            self.answer(unit, V_DIGEST)
            return
        try:
            rows = journal.decode_rows(payload, after=after, last=last)
        except ValueError:
            self.answer(unit, V_PARAMETER)
            return
        self._events.append(JournalGiven(unit, after, last, rows))

    # --- the message group -----------------------------------------------------------------------------------------
    def _on_mail(self, line: bytes) -> None:
        group = GroupReader(unit=-1, limits=self._limits)
        group.mail(line, odd_hops=self._odd_hops, not_now=_GROUP_NOT_NOW[self._state])
        group.unit = self._begin_unit(group.xid, line)
        self._group = group
        if group.fault is None:
            self._order.say(replies.PLAIN_MAIL)
            self._events.append(GroupBegun(group.unit, group.xid, group.declared_size))
        else:
            self._order.say(replies.encode_verdict(group.fault, group.xid))

    def _on_rcpt(self, line: bytes) -> None:
        group = self._group
        assert group is not None
        if group.has_metadata:
            raise FramingLost("RCPT behind XQMETA")
        faulty = group.fault is not None
        group.recipient(line)
        self._say_step(group, faulty=faulty, plain=replies.PLAIN_RCPT)

    def _on_meta(self, line: bytes) -> None:
        group = self._group
        assert group is not None
        match = grammar.META.match(line)
        if match is None:
            raise FramingLost("XQMETA does not parse")
        if group.has_metadata:
            raise FramingLost("XQMETA twice")
        octets = int(match.group(2))
        if octets > self._limits.metadata_bytes:
            raise FramingLost("metadata over META")
        self._grow(octets)
        self._meta_line = (int(match.group(1)), match.group(3).decode())
        self._expect(_Payload.METADATA, octets)

    def _on_bdat(self, line: bytes) -> None:
        group = self._group
        assert group is not None
        match = grammar.BDAT.match(line)
        if match is None:
            raise FramingLost("BDAT does not parse")
        if not group.has_metadata:
            raise FramingLost("BDAT before XQMETA")
        octets = int(match.group(1))
        self._chunk_faulty = group.fault is not None
        group.chunk_begins(octets)
        self._last_chunk = match.group(2) is not None
        self._expect(_Payload.BODY, octets)

    def _say_step(self, group: GroupReader, *, faulty: bool, plain: bytes) -> None:
        """The reply to one command of the group that does not decide it; `faulty`: it had its fault before."""
        if faulty:
            self._order.say(replies.GROUP_SPOILT)
        elif group.fault is not None:
            self._order.say(replies.encode_verdict(group.fault, group.xid))
        else:
            self._order.say(plain)

    # --- payloads --------------------------------------------------------------------------------------------------
    def _expect(self, payload: _Payload, octets: int) -> None:
        self._payload, self._wanted = payload, octets

    def _read_payload(self) -> bool:
        """Takes what the buffer has of the payload; false when more must come first."""
        start = self._at
        have = min(len(self._buffer) - start, self._wanted)
        if have == 0 and self._wanted:
            return False
        piece = self._buffer[start : start + have]
        self._at = start + have
        self._wanted -= have
        if self._payload is _Payload.BODY:
            self._body_piece(piece)
            return True
        if self._parts or self._wanted:
            self._parts.append(piece)
            if self._wanted:
                return False
            piece = b"".join(self._parts)
            self._parts = []
        kind, self._payload = self._payload, None
        if kind is _Payload.JOURNAL:
            self._journal_read(piece)
        else:
            self._metadata_read(piece)
        return True

    def _metadata_read(self, octets: bytes) -> None:
        group = self._group
        assert group is not None
        faulty = group.fault is not None
        version, seal = self._meta_line
        group.metadata(octets, version=version, seal=seal)
        self._say_step(group, faulty=faulty, plain=replies.PLAIN_DATA)

    def _body_piece(self, piece: bytes) -> None:
        group = self._group
        assert group is not None
        if piece:
            self._grow(len(piece))
            if group.body(piece):
                self._events.append(BodyChunk(group.unit, piece))
        if self._wanted:
            return
        self._payload = None
        if self._last_chunk:
            self._group_read(group)
        else:
            self._say_step(group, faulty=self._chunk_faulty, plain=replies.PLAIN_DATA)

    def _group_read(self, group: GroupReader) -> None:
        group.last_chunk_ended()
        self._group = None
        if group.fault is None:
            self._events.append(GroupEnded(group.unit, group.finished()))
        else:
            self._events.append(GroupRefused(group.unit, group.xid, group.fault))
            self._decide(group.unit, replies.encode_verdict(group.fault, group.xid))


_KNOWN = frozenset(
    {b"EHLO", b"STARTTLS", b"XQHELLO", b"MAIL", b"RCPT", b"XQMETA", b"BDAT"}
    | {b"XQCANCEL", b"XQCONFIRM", b"XQJRNL", b"XQSTAT", b"QUIT", b"NOOP"}
)
