"""The server side of CPQ as a state machine without I/O (docs/cpq.md §1-§7).

    core = ServerConnection(hostname="sma.example", limits=Limits())
    core.greet()
    core.receive_data(octets)
    while (event := core.next_event()) is not None: ...
    transport.write(core.data_to_send())

Units take effect in wire order; `answer*` may be called in any order, replies leave in unit order.
Memory is bounded by Limits; body octets are handed on as they arrive, never kept.
"""

from pratique.transfer.events import ServerEvent
from pratique.transfer.messages import HelloReply, Limits, Verdict


class ServerConnection:
    def __init__(self, *, hostname: str, limits: Limits, side: str) -> None:
        """`side` is "manager" (takes odd hops) or "gateway" (takes even hops); other hops get XQDENIED."""
        raise NotImplementedError

    def greet(self) -> None:
        raise NotImplementedError

    def refuse_busy(self) -> None:
        """421 4.3.2 <hostname> busy, then end."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        raise NotImplementedError

    def receive_eof(self) -> None:
        raise NotImplementedError

    def next_event(self) -> ServerEvent | None:
        raise NotImplementedError

    def tls_started(self, *, enrolled: bool) -> None:
        """TLS is up. `enrolled` false: EHLO is answered 550 5.7.1 XQNOTENROLLED and the session ends."""
        raise NotImplementedError

    def answer_hello(self, reply: HelloReply) -> None:
        raise NotImplementedError

    def answer(self, unit: int, verdict: Verdict) -> None:
        raise NotImplementedError

    def answer_confirmed(self, unit: int) -> None:
        raise NotImplementedError

    def answer_journal(self, unit: int, applied: int, *, gap: bool) -> None:
        raise NotImplementedError

    def answer_stat(self, unit: int, reply: HelloReply) -> None:
        raise NotImplementedError

    def close(self, verdict: Verdict) -> None:
        """421 XQCLOSING - or XQFENCED - after the replies that are due, then end."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        """No unit is open and no answer is owed."""
        raise NotImplementedError
