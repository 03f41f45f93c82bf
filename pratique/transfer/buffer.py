"""The octets that came and have not been read: lines and counted octets are taken from the front."""


class LineTooLong(Exception):
    """No CRLF stands within the limit."""


class Input:
    """`octets` from `at` on have not been read. Both are open to the client, which looks ahead over many replies."""

    __slots__ = ("at", "octets")

    def __init__(self) -> None:
        self.octets = b""
        self.at = 0

    def feed(self, data: bytes) -> None:
        self.octets = self.octets[self.at :] + data if self.at < len(self.octets) else data
        self.at = 0

    def line(self, octets_max: int) -> bytes | None:
        """The next line without its CRLF; None when it has not come whole. LineTooLong over `octets_max` with CRLF."""
        octets, start = self.octets, self.at
        end = octets.find(b"\r\n", start, start + octets_max)
        if end < 0:
            if len(octets) - start >= octets_max:
                raise LineTooLong
            return None
        self.at = end + 2
        return octets[start:end]

    def take(self, octets_max: int) -> bytes:
        """At most so many of the octets that are there."""
        start = self.at
        piece = self.octets[start : start + octets_max]
        self.at = start + len(piece)
        return piece

    @property
    def waiting(self) -> int:
        return len(self.octets) - self.at

    def clear(self) -> None:
        self.octets = b""
        self.at = 0
