"""The client side of CPQ as a state machine without I/O (docs/cpq.md §1-§7).

    core = ClientConnection(hostname="gw1.example")
    TlsWanted -> start TLS, core.tls_started();  Secure -> core.hello(Hello(...));  HelloAnswered -> send units
    core.send_group(token, sealed, pieces) while core.can_send(octets)

The client reads while it writes; a unit counts against the window until its deciding reply was read.
"""

from collections.abc import Iterable

from pratique.transfer.events import ClientEvent
from pratique.transfer.messages import Hello, Row, SealedGroup


class ClientConnection:
    def __init__(self, *, hostname: str) -> None:
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        raise NotImplementedError

    def receive_eof(self) -> None:
        raise NotImplementedError

    def next_event(self) -> ClientEvent | None:
        raise NotImplementedError

    def tls_started(self) -> None:
        raise NotImplementedError

    def hello(self, hello: Hello) -> None:
        """Say XQHELLO. Only when nothing is unanswered."""
        raise NotImplementedError

    def can_send(self, octets: int) -> bool:
        """True when a group of that many body octets fits in the window now."""
        raise NotImplementedError

    def begin_group(self, token: object, group: SealedGroup) -> None:
        """Queue MAIL, RCPT, XQMETA and the head of the only BDAT chunk, `BDAT <size> LAST`; exactly `group.size`
        octets must then be given to `send_body` before anything else is sent."""
        raise NotImplementedError

    def send_body(self, piece: bytes) -> None:
        raise NotImplementedError

    def send_group(self, token: object, group: SealedGroup, pieces: Iterable[bytes]) -> None:
        """begin_group and send_body in one, for a body that is in memory."""
        raise NotImplementedError

    def send_cancel(self, token: object, xid: str, seal: str) -> None:
        raise NotImplementedError

    def send_confirm(self, token: object, seq: int) -> None:
        raise NotImplementedError

    def send_journal(self, token: object, after: int, rows: tuple[Row, ...], last: int) -> None:
        """Its UnitAnswered carries keyword JACK or GAP and the applied number as first word."""
        raise NotImplementedError

    def send_stat(self, members: tuple[str, ...]) -> None:
        raise NotImplementedError

    def quit(self) -> None:
        """Only when nothing is unanswered."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        raise NotImplementedError

    @property
    def unanswered(self) -> int:
        """Units sent and not yet answered."""
        raise NotImplementedError
