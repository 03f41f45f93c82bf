"""Replies in wire order, and the window: which units are open, how many octets they hold (docs/cpq.md, section 5).

Units are opened in wire order and decided in any order. What a unit says leaves only when every unit before it has
been decided; so the plain replies of a group wait behind an undecided group too. A unit counts against the window
until its deciding reply has left; the client counts until it has read it, so an honest client never overruns.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Unit:
    xid: str
    octets: int
    before: bytearray = field(default_factory=bytearray)  # plain replies, held back while an earlier unit is undecided
    decided: bytes | None = None
    ends: bool = False  # nothing follows this reply (421, 500, 221)


class ReplyOrder:
    __slots__ = ("_first", "_out", "_units", "ended", "octets")

    def __init__(self) -> None:
        self._units: deque[_Unit] = deque()
        self._first = 0  # number of the oldest open unit
        self._out: list[bytes] = []
        self.octets = 0  # of the open units
        self.ended = False  # the last reply has left (421, 500, 221); nothing more is said

    @property
    def open_units(self) -> int:
        return len(self._units)

    def open(self, xid: str, octets: int) -> int:
        """A unit begins with its first command line; its number."""
        self._units.append(_Unit(xid, octets))
        self.octets += octets
        return self._first + len(self._units) - 1

    def grow(self, octets: int) -> None:
        """More octets of the newest unit arrived."""
        self._units[-1].octets += octets
        self.octets += octets

    def say(self, reply: bytes) -> None:
        """A plain reply of the newest unit, or a reply outside units."""
        assert not self.ended, "nothing is read after the last reply"
        if len(self._units) <= 1:
            self._out.append(reply)
        else:
            self._units[-1].before += reply

    def xid_of(self, unit: int) -> str | None:
        """The id of an open unit; None when it is no longer open."""
        place = unit - self._first
        return self._units[place].xid if 0 <= place < len(self._units) else None

    def decide(self, unit: int, reply: bytes, *, ends: bool = False) -> None:
        """The deciding reply of an open unit; everything that may now leave is released."""
        place = unit - self._first
        entry = self._units[place]
        assert entry.decided is None, f"unit {unit} was answered twice"
        entry.decided, entry.ends = reply, ends
        if place == 0:
            self._release()

    def _release(self) -> None:
        units, out = self._units, self._out
        while units and (reply := units[0].decided) is not None:
            entry = units.popleft()
            self._first += 1
            self.octets -= entry.octets
            out.append(reply)
            if entry.ends:
                self.abandon()
                return
            if units and units[0].before:
                out.append(bytes(units[0].before))
                units[0].before.clear()

    def end(self, reply: bytes) -> None:
        """`reply` leaves now, behind what has already left, and nothing after it."""
        if not self.ended:
            self._out.append(reply)
            self.abandon()

    def abandon(self) -> None:
        """Nothing more is said, whatever is still undecided."""
        self.ended = True
        self._units.clear()
        self.octets = 0

    def take(self) -> bytes:
        """Everything that may leave now, in one write."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        self._out = []
        return data
