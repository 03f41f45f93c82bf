"""The client side of CPQ as a state machine without I/O (docs/cpq.md §1-§7).

    core = ClientConnection(hostname="gw1.example")
    TlsWanted -> start TLS, core.tls_started();  Secure -> core.hello(Hello(...));  HelloAnswered -> send units
    core.send_group(token, sealed, pieces) while core.can_send(octets)

The client reads while it writes; a unit counts against the window until its deciding reply was read.

Replies are matched by position, and the deciding one also by id. A reply that no honest server would give there ends
the session with every unanswered unit in doubt: only a reply that is fully understood may move custody.
"""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from pratique.transfer import grammar, handshake, journal, replies
from pratique.transfer.buffer import Input, LineTooLong
from pratique.transfer.events import (
    ClientEnded,
    ClientEvent,
    HelloAnswered,
    Secure,
    StatAnswered,
    TlsWanted,
    UnitAnswered,
)
from pratique.transfer.messages import Hello, Keyword, Limits, Row, SealedGroup, Verdict

WINDOW_MAX = 512  # units; a server may allow more, but this bounds what one lost session leaves in doubt
_ACCEPTED = re.compile(rb"250 2\.0\.0 XQACC ([0-9a-f]{32}\.[1-9][0-9]{0,2}) ([0-9]{1,19}) ([0-9]{1,19})\r\n")
_EHLO_LINES_MAX = 100
_PLAIN = re.compile(rb"[2-5][0-9]{2} [245]\.[0-9]{1,3}\.[0-9]{1,3}(?: XQ[A-Z]{1,12}(?: [\x21-\x7e]+)*)?\Z")


class _Phase(Enum):
    GREETING = auto()  # 220 is awaited
    CLEAR_EHLO = auto()
    STARTTLS = auto()
    TLS_STARTING = auto()  # the octets belong to the TLS handshake
    SECURE_EHLO = auto()
    SECURE = auto()  # hello() may be called
    HELLO = auto()  # its reply is awaited
    UNITS = auto()
    QUIT = auto()
    OVER = auto()


class _Kind(Enum):
    GROUP = auto()
    CANCEL = auto()
    CONFIRM = auto()
    JOURNAL = auto()
    SHOW = auto()
    STAT = auto()


_ALLOWED = {
    _Kind.GROUP: replies.GROUP,
    _Kind.CANCEL: replies.CANCEL,
    _Kind.CONFIRM: replies.CONFIRM,
    _Kind.JOURNAL: replies.JOURNAL,
    _Kind.SHOW: replies.SHOW,
}


class _Unit(NamedTuple):
    """A unit whose deciding reply has not been read."""

    kind: _Kind
    token: object
    xid: str
    octets: int
    plain_replies: int  # that come before the deciding one


class _BrokenPeer(Exception):
    """The server said what no honest server says here."""


@lru_cache(maxsize=1024)
def _all_plain(count: int) -> bytes:
    """The plain replies of a group without fault: MAIL, `count` - 2 times RCPT, XQMETA."""
    return replies.PLAIN_MAIL + replies.PLAIN_RCPT * (count - 2) + replies.PLAIN_DATA


class ClientConnection:
    def __init__(self, *, hostname: str) -> None:
        self._hostname = hostname
        self._phase = _Phase.GREETING
        self._source = Input()
        self._lines: list[str] = []  # texts of a reply of several lines that is not complete
        self._code = b""  # its code
        self._out: list[bytes] = []
        self._events: deque[ClientEvent] = deque()
        self._limits = Limits()
        self._ready = False  # the last hello was answered XQREADY
        self._units: deque[_Unit] = deque()
        self._octets = 0  # of the unanswered units
        self._plain_left = 0  # plain replies still to come for the oldest unit
        self._body_left = 0  # octets of the begun group's body still to be given

    # --- what the edge calls ---------------------------------------------------------------------------------------
    def receive_data(self, data: bytes) -> None:
        if self._phase is _Phase.OVER or not data:
            return
        if self._phase is _Phase.TLS_STARTING:
            self._stop("octets behind the 220 to STARTTLS", refused=True)
            return
        self._source.feed(data)
        try:
            self._read()
        except _BrokenPeer as broken:
            self._stop(f"unexpected reply: {broken}", refused=self._before_secure)

    def receive_eof(self) -> None:
        if self._phase is not _Phase.OVER:
            quitting = self._phase is _Phase.QUIT
            self._stop("QUIT" if quitting else "closed by peer", refused=self._before_secure)

    def next_event(self) -> ClientEvent | None:
        return self._events.popleft() if self._events else None

    def tls_started(self) -> None:
        if self._phase is _Phase.OVER:
            return
        assert self._phase is _Phase.TLS_STARTING
        self._phase = _Phase.SECURE_EHLO
        self._say_ehlo()

    def hello(self, hello: Hello) -> None:
        """Say XQHELLO. Only when nothing is unanswered."""
        if self._phase is _Phase.OVER:
            return
        assert self._phase in (_Phase.SECURE, _Phase.UNITS)
        assert not self._units and not self._body_left, "XQHELLO while units are unanswered"
        self._phase = _Phase.HELLO
        self._ready = False
        self._out.append(handshake.encode_hello(hello))

    def can_send(self, octets: int) -> bool:
        """True when a group of that many body octets fits in the window now, whatever its commands and metadata.
        `fits` is exact."""
        if not self._ready or self._body_left or self._phase is not _Phase.UNITS:
            return False
        limits = self._limits
        overhead = limits.metadata_bytes + (limits.recipients + 3) * grammar.COMMAND_LINE_MAX
        return self._fits(octets + overhead)

    def fits(self, group: SealedGroup) -> bool:
        """True when exactly this group fits in the window now."""
        return (
            self._ready
            and not self._body_left
            and self._phase is _Phase.UNITS
            and self._fits(group.size + len(group.command_octets) + len(group.metadata) + 2 * grammar.REPLY_LINE_MAX)
        )

    @property
    def can_control(self) -> bool:
        """True when a control command may be sent now."""
        return self._phase is _Phase.UNITS and not self._body_left and self._fits(grammar.COMMAND_LINE_MAX)

    def begin_group(self, token: object, group: SealedGroup) -> None:
        """Queue MAIL, RCPT, XQMETA and the head of the only BDAT chunk, `BDAT <size> LAST`; exactly `group.size`
        octets must then be given to `send_body` before anything else is sent."""
        if self._phase is _Phase.OVER:
            return  # ClientEnded is on its way; the unit stays in doubt
        commands, metadata = group.command_octets, group.metadata
        meta_line = b"XQMETA 1 %d %b\r\n" % (len(metadata), group.seal.encode("ascii"))
        last_line = b"BDAT %d LAST\r\n" % group.size
        octets = len(commands) + len(meta_line) + len(metadata) + len(last_line) + group.size
        # Every line of commands is MAIL or RCPT; XQMETA makes one reply more.
        self._begin(_Kind.GROUP, token, group.xid, octets, commands.count(b"\r\n") + 1)
        self._out += (commands, meta_line, metadata, last_line)
        self._body_left = group.size

    def send_body(self, piece: bytes) -> None:
        if self._phase is _Phase.OVER:
            return
        assert len(piece) <= self._body_left, "more body than the group declared"
        self._body_left -= len(piece)
        self._out.append(piece)

    def send_group(self, token: object, group: SealedGroup, pieces: Iterable[bytes]) -> None:
        """begin_group and send_body in one, for a body that is in memory."""
        self.begin_group(token, group)
        for piece in pieces:
            self.send_body(piece)
        assert not self._body_left or self._phase is _Phase.OVER, "less body than the group declared"

    def send_cancel(self, token: object, xid: str, seal: str) -> None:
        self._command(_Kind.CANCEL, token, xid, f"XQCANCEL {xid} {seal}\r\n".encode("ascii"))

    def send_show(self, token: object, xid: str) -> None:
        """Its UnitAnswered carries keyword SHOWN; replies.row_shown reads it."""
        self._command(_Kind.SHOW, token, xid, f"XQSHOW {xid}\r\n".encode("ascii"))

    def send_confirm(self, token: object, seq: int) -> None:
        self._command(_Kind.CONFIRM, token, "-", b"XQCONFIRM %d\r\n" % seq)

    def send_journal(self, token: object, after: int, rows: tuple[Row, ...], last: int) -> None:
        """Its UnitAnswered carries keyword JACK or GAP and the applied number as first word."""
        payload = journal.encode_rows(rows)
        if len(payload) > journal.PAYLOAD_MAX:
            raise ValueError("too many rows for one XQJRNL")
        line = f"XQJRNL {after} {last} {len(payload)} {journal.payload_digest(payload)}\r\n".encode("ascii")
        self._command(_Kind.JOURNAL, token, "-", line + payload)

    def send_stat(self, members: tuple[str, ...]) -> None:
        line = "XQSTAT" + (f" MEMBERS={','.join(members)}" if members else "") + "\r\n"
        self._command(_Kind.STAT, None, "-", line.encode("ascii"))

    def quit(self) -> None:
        """Only when nothing is unanswered."""
        if self._phase is _Phase.OVER:
            return
        assert not self._units and self._phase in (_Phase.SECURE, _Phase.UNITS)
        self._phase = _Phase.QUIT
        self._out.append(b"QUIT\r\n")

    def data_to_send(self) -> bytes:
        out = self._out
        if not out:
            return b""
        self._out = []
        return b"".join(out)

    @property
    def unanswered(self) -> int:
        """Units sent and not yet answered."""
        return len(self._units)

    # --- sending ---------------------------------------------------------------------------------------------------
    def _fits(self, octets: int) -> bool:
        if not self._units:
            return True  # a group larger than the window may go alone
        limits = self._limits
        return len(self._units) < limits.window and self._octets + octets <= limits.window_bytes

    def _begin(self, kind: _Kind, token: object, xid: str, octets: int, plain_replies: int) -> None:
        assert self._phase is _Phase.UNITS, "no hello has been answered"
        assert not self._body_left, "a group has begun and its body is not complete"
        assert self._fits(octets), "over the window"
        if not self._units:
            self._plain_left = plain_replies
        self._units.append(_Unit(kind, token, xid, octets, plain_replies))
        self._octets += octets

    def _command(self, kind: _Kind, token: object, xid: str, octets: bytes) -> None:
        if self._phase is not _Phase.OVER:
            self._begin(kind, token, xid, len(octets), 0)
            self._out.append(octets)

    def _say_ehlo(self) -> None:
        self._out.append(f"EHLO {self._hostname}\r\n".encode("ascii"))

    # --- reading ---------------------------------------------------------------------------------------------------
    @property
    def _before_secure(self) -> bool:
        return self._phase in _BEFORE_SECURE

    def _stop(self, reason: str, *, keyword: str = "", refused: bool = False) -> None:
        self._phase = _Phase.OVER
        self._ready = False
        self._source.clear()
        self._body_left = 0
        self._out = []
        self._events.append(ClientEnded(reason, keyword, refused))

    def _read(self) -> None:
        while self._phase is not _Phase.OVER:
            if self._phase is _Phase.UNITS and self._units and self._read_fast():
                continue
            line = self._next_line()
            if line is None:
                return
            self._on_line(line)

    def _next_line(self) -> bytes | None:
        try:
            return self._source.line(grammar.REPLY_LINE_MAX)
        except LineTooLong:
            raise _BrokenPeer("a reply line is too long") from None

    def _read_fast(self) -> bool:
        """The oldest unit is a group and all its replies are here and say yes: taken in one step. Nothing is taken
        otherwise."""
        unit = self._units[0]
        if unit.kind is not _Kind.GROUP:
            return False
        source = self._source
        octets, at = source.octets, source.at
        if self._plain_left:
            if self._plain_left != unit.plain_replies:
                return False
            plain = _all_plain(unit.plain_replies)
            if not octets.startswith(plain, at):
                return False
            at += len(plain)
        match = _ACCEPTED.match(octets, at)
        if match is None:
            return False
        xid, inc, seq = match.groups()
        if xid.decode() != unit.xid:
            return False  # the slow path says why this is wrong
        source.at = match.end()
        self._decided(unit, Verdict(250, "2.0.0", Keyword.ACC, (inc.decode(), seq.decode())))
        return True

    def _decided(self, unit: _Unit, verdict: Verdict) -> None:
        self._next_unit(unit)
        self._events.append(UnitAnswered(unit.token, unit.xid, verdict))

    def _next_unit(self, unit: _Unit) -> None:
        if self._body_left and len(self._units) == 1:
            raise _BrokenPeer("a group was decided before its last octet was sent")
        self._units.popleft()
        self._octets -= unit.octets
        if self._units:
            self._plain_left = self._units[0].plain_replies
        else:
            self._plain_left = 0

    def _on_line(self, line: bytes) -> None:
        end = replies.named_end(line)
        if end is not None:
            keyword, text = end
            busy = line.startswith(b"421")
            self._stop(text, keyword=keyword, refused=self._before_secure and not busy)
        elif self._phase is _Phase.UNITS and self._units and self._units[0].kind is not _Kind.STAT:
            self._on_unit_line(self._units[0], line)
        else:
            self._on_reply_line(line)

    def _on_unit_line(self, unit: _Unit, line: bytes) -> None:
        if self._plain_left:
            # What a plain reply says does not matter for custody: the reply to BDAT … LAST decides.
            if _PLAIN.match(line) is None:
                raise _BrokenPeer("a reply does not parse")
            self._plain_left -= 1
            return
        try:
            xid, verdict = replies.decode_verdict(line, allowed=_ALLOWED[unit.kind])
            if verdict.keyword is Keyword.SHOWN:
                replies.row_shown(xid, verdict)
        except ValueError as wrong:
            raise _BrokenPeer(str(wrong)) from None
        if xid != unit.xid and not (xid == "-" and verdict.keyword is Keyword.PARAMETER):
            raise _BrokenPeer("a reply for an id that is not the oldest unanswered one")
        self._decided(unit, verdict)

    def _on_reply_line(self, line: bytes) -> None:
        """One line of a reply that may have several: greeting, EHLO, XQHELLO, XQSTAT, QUIT."""
        match = grammar.REPLY.match(line)
        if match is None:
            raise _BrokenPeer("a reply does not parse")
        code, more, enhanced, text = match.groups()
        if self._lines and code != self._code:
            raise _BrokenPeer("the lines of a reply have different codes")
        limit = _EHLO_LINES_MAX if self._before_secure else handshake.REPLY_LINES_MAX
        if len(self._lines) >= limit:
            raise _BrokenPeer("a reply has too many lines")
        self._code = code
        self._lines.append(text.decode("ascii"))
        if more == b" ":
            lines, self._lines = self._lines, []
            self._on_reply(int(code), enhanced.decode(), lines)

    def _on_reply(self, code: int, enhanced: str, lines: list[str]) -> None:
        match self._phase:
            case _Phase.GREETING:
                self._wanted(code, 220, lines)
                self._phase = _Phase.CLEAR_EHLO
                self._say_ehlo()
            case _Phase.CLEAR_EHLO:
                self._wanted(code, 250, lines)
                if "STARTTLS" not in lines[1:]:
                    raise _BrokenPeer("no STARTTLS is offered")
                self._phase = _Phase.STARTTLS
                self._out.append(b"STARTTLS\r\n")
            case _Phase.STARTTLS:
                self._on_tls_reply(code, lines)
            case _Phase.SECURE_EHLO:
                self._on_secure_ehlo(code, lines)
            case _Phase.HELLO:
                self._on_hello_reply(code, enhanced, lines)
            case _Phase.UNITS if self._units and self._units[0].kind is _Kind.STAT:
                self._on_stat_reply(code, lines)
            case _Phase.QUIT:
                self._stop("QUIT")
            case _:
                raise _BrokenPeer("a reply to nothing")

    def _wanted(self, code: int, wanted: int, lines: list[str]) -> None:
        if code != wanted:
            raise _BrokenPeer(f"{code} {lines[0]}, {wanted} was due")

    def _on_tls_reply(self, code: int, lines: list[str]) -> None:
        self._wanted(code, 220, lines)
        if self._source.waiting:
            self._stop("octets behind the 220 to STARTTLS", refused=True)
            return
        self._phase = _Phase.TLS_STARTING
        self._events.append(TlsWanted())

    def _on_secure_ehlo(self, code: int, lines: list[str]) -> None:
        if code != 250:
            keyword = lines[0].split(" ")[0]
            self._stop(f"{code} {lines[0]}", keyword=keyword if keyword.startswith("XQ") else "", refused=True)
            return
        versions = next((line.split(" ")[1:] for line in lines[1:] if line.split(" ")[0] == "XCPQ"), [])
        if str(handshake.VERSION) not in versions:
            raise _BrokenPeer("XCPQ 1 is not offered")
        self._phase = _Phase.SECURE
        self._events.append(Secure())

    def _on_hello_reply(self, code: int, enhanced: str, lines: list[str]) -> None:
        words = lines[0].split(" ")
        try:
            keyword = Keyword(words[0])
            if handshake.CODES.get(keyword) != (code, enhanced):
                raise ValueError("not an answer to XQHELLO")
            if keyword in handshake.REFUSALS:
                self._stop(f"{code} {lines[0]}", keyword=keyword.value, refused=True)
                return
            why = words[1].removeprefix("WHY=") if len(words) > 1 else ""
            reply = handshake.parse_reply_lines(keyword, why, lines[1:])
        except ValueError as wrong:
            raise _BrokenPeer(f"XQHELLO was answered {code} {lines[0]}: {wrong}") from None
        self._events.append(HelloAnswered(reply))
        if keyword in handshake.ENDS_SESSION:
            self._stop(f"{code} {lines[0]}", keyword=keyword.value)
            return
        limits = reply.limits
        self._limits = replace(limits, window=min(limits.window, WINDOW_MAX))
        self._phase = _Phase.UNITS
        self._ready = keyword is Keyword.READY

    def _on_stat_reply(self, code: int, lines: list[str]) -> None:
        if code != 250:
            raise _BrokenPeer(f"XQSTAT was answered {code} {lines[0]}")
        try:
            reply = handshake.parse_reply_lines(Keyword.OK, "", lines)
        except ValueError as wrong:
            raise _BrokenPeer(f"the reply to XQSTAT: {wrong}") from None
        self._next_unit(self._units[0])
        self._events.append(StatAnswered(reply))


_BEFORE_SECURE = frozenset(
    {_Phase.GREETING, _Phase.CLEAR_EHLO, _Phase.STARTTLS, _Phase.TLS_STARTING, _Phase.SECURE_EHLO}
)
