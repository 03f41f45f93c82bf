"""The server's reading of units: message groups and control commands, after XQHELLO (docs/cpq.md §3-§6).

Lines and counted payloads come in, events go out, replies go into the order. It asks for verdicts about custody and
gives none; what it decides by itself is grammar, limits and digests. FramingLost is raised to the connection.
XQORDER belongs to a later stage and is an unknown verb here.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from pratique.transfer import grammar, journal, replies
from pratique.transfer.buffer import Input, LineTooLong
from pratique.transfer.events import (
    BodyChunk,
    CancelGiven,
    ConfirmGiven,
    GroupBegun,
    GroupEnded,
    GroupRefused,
    JournalGiven,
    ServerEvent,
    ShowGiven,
    StatGiven,
)
from pratique.transfer.grammar import FramingLost, parsed
from pratique.transfer.group import GroupReader
from pratique.transfer.messages import (
    V_DENIED,
    V_DIGEST,
    V_PARAMETER,
    V_RECON,
    V_SUSPENDED,
    Keyword,
    Limits,
    Verdict,
)
from pratique.transfer.order import ReplyOrder
from pratique.transfer.whole import read_whole


class _Payload(Enum):
    """What the octets behind the last command line are."""

    METADATA = auto()
    BODY = auto()
    JOURNAL = auto()


# What groups, cancels and confirms are answered instead of being done, by the state that the last hello reply named.
# A cancel only takes doubt away, so it is done while suspended; during reconciliation nothing may be.
_GROUP_NOT_NOW: dict[Keyword, Verdict | None] = {
    Keyword.READY: None,
    Keyword.SUSPENDED: V_SUSPENDED,
    Keyword.RECON: V_RECON,
    Keyword.ROLLED: V_RECON,
}
_CONTROL_NOT_NOW = _GROUP_NOT_NOW | {Keyword.SUSPENDED: None}
_SHOW_NOT_NOW = _CONTROL_NOT_NOW | {Keyword.ROLLED: None}  # who was set back itself cannot testify, but may ask
# Verbs that exist, but not where an unknown verb would be answered 502: out of order, they have lost the framing.
KNOWN_VERBS = frozenset(
    {b"EHLO", b"STARTTLS", b"XQHELLO", b"MAIL", b"RCPT", b"XQMETA", b"BDAT", b"NOOP", b"QUIT"}
    | {b"XQCANCEL", b"XQCONFIRM", b"XQJRNL", b"XQSHOW", b"XQSTAT"}
)


def next_line(source: Input) -> bytes | None:
    """The next command line; None when it has not come whole."""
    try:
        return source.line(grammar.COMMAND_LINE_MAX)
    except LineTooLong:
        raise FramingLost("line too long") from None


class UnitReader:
    def __init__(
        self, *, limits: Limits, odd_hops: bool, order: ReplyOrder, source: Input, events: deque[ServerEvent]
    ) -> None:
        self._group_not_now: Verdict | None = None
        self._control_not_now: Verdict | None = None
        self._show_not_now: Verdict | None = None
        self.group: GroupReader | None = None
        self._limits = limits
        self._odd_hops = odd_hops
        self._order = order
        self._source = source
        self._events = events
        self._payload: _Payload | None = None
        self._wanted = 0  # octets of the payload still to come
        self._parts: list[bytes] = []  # of a payload that is kept whole
        self._meta_line = (0, "")  # version, seal
        self._journal_line = (0, 0, 0, "")  # unit, after, last, digest
        self._last_chunk = False
        self._spoilt_before_chunk = False
        # Outside a group an absent verb is 502, inside one it has lost the framing.
        self._outside: dict[bytes, Callable[[bytes], None]] = {
            b"MAIL": self._on_mail,
            b"NOOP": self.on_noop,
            b"XQCANCEL": self._on_cancel,
            b"XQCONFIRM": self._on_confirm,
            b"XQJRNL": self._on_journal,
            b"XQSHOW": self._on_show,
            b"XQSTAT": self._on_stat,
        }
        self._inside: dict[bytes, Callable[[GroupReader, bytes], None]] = {
            b"RCPT": self._on_rcpt,
            b"XQMETA": self._on_meta,
            b"BDAT": self._on_bdat,
        }

    def enter(self, state: Keyword) -> None:
        """The state that the last hello reply named."""
        self._group_not_now = _GROUP_NOT_NOW[state]
        self._control_not_now = _CONTROL_NOT_NOW[state]
        self._show_not_now = _SHOW_NOT_NOW[state]

    @property
    def expects_payload(self) -> bool:
        return self._payload is not None

    def on_line(self, line: bytes) -> None:
        """A line outside of groups."""
        self._outside.get(grammar.verb_of(line), self.on_unknown)(line)

    def read_group(self) -> bool:
        """Takes what has come of the group under way, lines and payloads; false when more must come first."""
        while (group := self.group) is not None:
            if self._payload is not None:
                if not self.read_payload():
                    return False
                continue
            line = next_line(self._source)
            if line is None:
                return False
            command = self._inside.get(grammar.verb_of(line))
            if command is None:
                raise FramingLost("not a command of a group")
            self._grow(len(line) + 2)
            command(group, line)
        return True

    def take_whole(self) -> bool:
        """Takes a group without a fault that has come in one piece and fits the window; false when none is there."""
        if self._group_not_now is not None:
            return False
        source, order = self._source, self._order
        start = source.at
        found = read_whole(source, limits=self._limits, odd_hops=self._odd_hops)
        if found is None:
            return False
        octets = source.at - start
        if order.open_units >= self._limits.window or order.octets + octets > self._limits.window_bytes:
            source.at = start
            return False
        group, body, recipients = found
        unit = group.unit = order.open(group.xid, octets)
        order.say(replies.PLAIN_MAIL + replies.PLAIN_RCPT * recipients + replies.PLAIN_DATA)
        self._events.append(GroupBegun(unit, group.xid, len(body)))
        if body:
            self._events.append(BodyChunk(unit, body))
        self._events.append(GroupEnded(unit, group.finished()))
        return True

    def give_up(self) -> int:
        """The framing is lost: the unit in whose place the 500 stands."""
        group, self.group = self.group, None
        self._payload, self._parts = None, []
        return group.unit if group is not None else self._order.open("-", 0)

    # --- window ----------------------------------------------------------------------------------------------------
    def _begin(self, xid: str, octets: int) -> int:
        """Counts a unit against the window. An honest client cannot overrun it."""
        order = self._order
        if order.open_units >= self._limits.window:
            raise FramingLost("over WIN")
        if order.open_units and order.octets + octets > self._limits.window_bytes:
            raise FramingLost("over WBYTES")
        return order.open(xid, octets)

    def _grow(self, octets: int) -> None:
        order = self._order
        order.grow(octets)
        if order.octets > self._limits.window_bytes and order.open_units > 1:
            raise FramingLost("over WBYTES")  # a larger group may go alone

    def _decide(self, unit: int, verdict: Verdict, xid: str) -> None:
        self._order.decide(unit, replies.encode_verdict(verdict, xid))

    # --- control commands ------------------------------------------------------------------------------------------
    def on_unknown(self, line: bytes) -> None:
        """A verb this stage does not have; it counts as a unit, which bounds the replies that wait."""
        parsed(grammar.COMMAND, line)
        if grammar.verb_of(line) in KNOWN_VERBS:
            raise FramingLost("verb out of order")
        self._order.decide(self._begin("-", len(line) + 2), replies.UNKNOWN_VERB)

    def on_noop(self, line: bytes) -> None:
        parsed(grammar.NOOP, line)
        self._order.decide(self._begin("-", len(line) + 2), replies.OK)

    def _on_cancel(self, line: bytes) -> None:
        match = parsed(grammar.CANCEL, line)
        xid = match.group(1).decode()
        unit = self._begin(xid, len(line) + 2)
        if (int(xid[33:]) % 2 == 1) is not self._odd_hops:
            self._decide(unit, V_DENIED, xid)
        elif self._control_not_now is not None:
            self._decide(unit, self._control_not_now, xid)
        else:
            self._events.append(CancelGiven(unit, xid, match.group(2).decode()))

    def _on_confirm(self, line: bytes) -> None:
        digits = parsed(grammar.CONFIRM, line).group(1)
        unit = self._begin("-", len(line) + 2)
        if int(digits) > grammar.NUMBER_MAX:
            self._decide(unit, V_PARAMETER, "-")
        elif self._control_not_now is not None:
            self._decide(unit, self._control_not_now, "-")
        else:
            self._events.append(ConfirmGiven(unit, int(digits)))

    def _on_show(self, line: bytes) -> None:
        xid = parsed(grammar.SHOW, line).group(1).decode()
        unit = self._begin(xid, len(line) + 2)
        if self._show_not_now is not None:
            self._decide(unit, self._show_not_now, xid)
        else:
            self._events.append(ShowGiven(unit, xid))

    def _on_stat(self, line: bytes) -> None:
        members = parsed(grammar.STAT, line).group(1)
        names = tuple(members.decode().split(",")) if members else ()
        self._events.append(StatGiven(self._begin("-", len(line) + 2), names))

    def _on_journal(self, line: bytes) -> None:
        match = parsed(grammar.JOURNAL, line)
        after, last, octets = (int(match.group(place)) for place in (1, 2, 3))
        if octets > journal.PAYLOAD_MAX:
            raise FramingLost("XQJRNL is too large")
        unit = self._begin("-", len(line) + 2 + octets)
        self._journal_line = (unit, after, last, match.group(4).decode())
        self._payload, self._wanted = _Payload.JOURNAL, octets

    def _journal_read(self, payload: bytes) -> None:
        unit, after, last, digest = self._journal_line
        if hashlib.sha256(payload).hexdigest() != digest:
            self._decide(unit, V_DIGEST, "-")
            return
        try:
            rows = journal.decode_rows(payload, after=after, last=last)
        except ValueError:
            self._decide(unit, V_PARAMETER, "-")
            return
        self._events.append(JournalGiven(unit, after, last, rows))

    # --- the message group -----------------------------------------------------------------------------------------
    def _on_mail(self, line: bytes) -> None:
        group = GroupReader(limits=self._limits)
        group.mail(line, odd_hops=self._odd_hops, not_now=self._group_not_now)
        group.unit = self._begin(group.xid, len(line) + 2)
        self.group = group
        if group.fault is None:
            self._events.append(GroupBegun(group.unit, group.xid, group.declared_size))
        self._say_step(group, spoilt=False, plain=replies.PLAIN_MAIL)

    def _on_rcpt(self, group: GroupReader, line: bytes) -> None:
        if group.has_metadata:
            raise FramingLost("RCPT behind XQMETA")
        spoilt = group.fault is not None
        group.recipient(line)
        self._say_step(group, spoilt=spoilt, plain=replies.PLAIN_RCPT)

    def _on_meta(self, group: GroupReader, line: bytes) -> None:
        match = parsed(grammar.META, line)
        if group.has_metadata:
            raise FramingLost("XQMETA twice")
        octets = int(match.group(2))
        if octets > self._limits.metadata_bytes:
            raise FramingLost("metadata over META")
        self._grow(octets)
        self._meta_line = (int(match.group(1)), match.group(3).decode())
        self._payload, self._wanted = _Payload.METADATA, octets

    def _on_bdat(self, group: GroupReader, line: bytes) -> None:
        match = parsed(grammar.BDAT, line)
        if not group.has_metadata:
            raise FramingLost("BDAT before XQMETA")
        self._spoilt_before_chunk = group.fault is not None
        octets = int(match.group(1))
        group.chunk_begins(octets)
        self._last_chunk = match.group(2) is not None
        self._payload, self._wanted = _Payload.BODY, octets

    def _say_step(self, group: GroupReader, *, spoilt: bool, plain: bytes) -> None:
        """The reply to one command of the group that does not decide it; `spoilt`: it had its fault before."""
        if spoilt:
            self._order.say(replies.GROUP_SPOILT)
        elif group.fault is not None:
            self._order.say(replies.encode_verdict(group.fault, group.xid))
        else:
            self._order.say(plain)

    # --- payloads --------------------------------------------------------------------------------------------------
    def read_payload(self) -> bool:
        """Takes what has come of the payload; false when more must come first."""
        piece = self._source.take(self._wanted)
        if not piece and self._wanted:
            return False
        self._wanted -= len(piece)
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
        group = self.group
        assert group is not None
        spoilt = group.fault is not None
        version, seal = self._meta_line
        group.metadata(octets, version=version, seal=seal)
        self._say_step(group, spoilt=spoilt, plain=replies.PLAIN_DATA)

    def _body_piece(self, piece: bytes) -> None:
        group = self.group
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
            self._say_step(group, spoilt=self._spoilt_before_chunk, plain=replies.PLAIN_DATA)

    def _group_read(self, group: GroupReader) -> None:
        group.last_chunk_ended()
        self.group = None
        if group.fault is None:
            self._events.append(GroupEnded(group.unit, group.finished()))
        else:
            self._events.append(GroupRefused(group.unit, group.xid, group.fault))
            self._decide(group.unit, group.fault, group.xid)
