"""Leases: what an edge process may use up without asking each time. Numbers of messages and connections come in
blocks, segments of the spool as open files. Asked over a socket pair of packets, answered within one turn of custody's
loop; the edge waits for it, which is once in some hundred messages.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator

from pratique.store.moves import StoreFailed
from pratique.store.segment import Handle, Segment

SEGMENT, OWN, MIDS, CONNECTIONS = b"s", b"o", b"m", b"c"
MIDS_BLOCK = 256
CONNECTIONS_BLOCK = 1_024
WAIT_SECONDS = 5.0  # custody answers between two batches; one that does not in so long is gone
PACKET_BYTES_MAX = 1_024
_ANSWER = struct.Struct("!cQQ")
_GRANTED, _REFUSED, _FULL = b"+", b"-", b"f"


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Leases:
    """The edge's end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.settimeout(WAIT_SECONDS)

    def segment(self, *, own: bool) -> Segment:
        """Raises StoreFailed when there is no room."""
        number, capacity, fd = self._ask(OWN if own else SEGMENT)
        assert fd is not None
        return Segment(number, "", capacity, shared=not own, handle=Handle(fd))

    def numbers(self, kind: bytes) -> Iterator[int]:
        """MIDs or connection numbers without an end, each given out once."""
        while True:
            first, count, _ = self._ask(kind)
            yield from range(first, first + count)

    def _ask(self, what: bytes) -> tuple[int, int, int | None]:
        try:
            self._sock.send(what)
            packet, fds, _, _ = socket.recv_fds(self._sock, PACKET_BYTES_MAX, 1)
        except OSError as error:
            raise StoreFailed(f"custody does not answer ({error})", fatal=True) from error
        if len(packet) < _ANSWER.size:
            raise StoreFailed("custody is gone", fatal=True)
        granted, first, second = _ANSWER.unpack(packet[: _ANSWER.size])
        if granted != _GRANTED:
            raise StoreFailed(packet[_ANSWER.size :].decode(), full=granted == _FULL)
        return first, second, fds[0] if fds else None


class Lessor:
    """Custody's end: `grants` tells what each kind of request gets, as two numbers and a file or None."""

    def __init__(self, sock: socket.socket, grants: dict[bytes, Callable[[], tuple[int, int, int | None]]]) -> None:
        self._sock = sock
        self._grants = grants
        sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    def answer(self) -> bool:
        """Answer one request; False when the edge is gone or asks for what there is not."""
        try:
            asked = self._sock.recv(PACKET_BYTES_MAX)
            grant = self._grants.get(asked)
            if grant is None:
                return False
            self._grant(grant)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _grant(self, grant: Callable[[], tuple[int, int, int | None]]) -> None:
        try:
            first, second, fd = grant()
        except StoreFailed as failed:
            why = str(failed).encode()[: PACKET_BYTES_MAX - _ANSWER.size]
            self._sock.send(_ANSWER.pack(_FULL if failed.full else _REFUSED, 0, 0) + why)
            return
        packet = [_ANSWER.pack(_GRANTED, first, second)]
        socket.send_fds(self._sock, packet, [] if fd is None else [fd])

    def close(self) -> None:
        os.close(self._sock.detach())
