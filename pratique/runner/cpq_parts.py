"""What the sessions of a quarantine port share: an offer, the role that takes it, the port itself as they see it."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from pratique.delivery.custody import Answer
from pratique.mail.ids import parse_xid
from pratique.mail.values import value
from pratique.net.tls import TlsInfo
from pratique.runner.readiness import Asker, Line
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.store.interface import Stored
from pratique.store.moves import JournalTaken, Receive, Received
from pratique.store.records import JournalRow, Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import (
    V_CANCELLED,
    V_CONFLICT,
    V_META_BAD,
    V_VERSION,
    Group,
    Hello,
    HelloReply,
    Keyword,
    Row,
    Verdict,
    accepted,
    cancelled,
)
from pratique.transfer.metadata import Metadata, MetadataError, decode


@value
class Offer:
    """One complete group, its body in the spool."""

    peer: Peer
    group: Group
    stored: Stored
    octets: bytes | None  # the body, when still in memory
    icid: int
    remote_ip: str
    tls: TlsInfo


Decided = Callable[[Receive | Verdict], None]


def read_metadata(services: Services, offer: Offer) -> Metadata | Verdict:
    """What the offer says of its message; or, with an alarm in the log, the verdict on metadata that cannot be read."""
    try:
        return decode(offer.group.metadata, hop=parse_xid(offer.group.xid)[1])
    except MetadataError as error:
        alarm_refused(services, offer, f"metadata: {error}")
        return V_VERSION if error.newer else V_META_BAD


def alarm_refused(services: Services, offer: Offer, why: str) -> None:
    text = f"ICID {offer.icid} transfer {offer.group.xid} from {offer.peer.name} refused: {why}"
    services.telemetry.emit(log.Alarm(message=text, condition=log.Condition.REFUSED, subject=offer.peer.serial))


def verdict_of(received: Received) -> Verdict:
    """How the sender is told what was made of its group or its cancel."""
    match received.answer:
        case Answer.COMMIT_ACC | Answer.ACC_AGAIN:
            return accepted(received.inc, received.seq)
        case Answer.COMMIT_CANC | Answer.CANC_AGAIN:
            return cancelled(received.inc, received.seq)
        case Answer.CANCELLED:
            return V_CANCELLED
        case Answer.CONFLICT:
            return V_CONFLICT
    raise AssertionError(received.answer)


def wire_row(row: JournalRow) -> Row:
    pairs = tuple((k, v) for k, v in json.loads(row.pairs).items())
    return Row(row.seq, row.state, f"{row.cid}.{row.hop}", row.seal, row.at, pairs)


class Taker(Protocol):
    """What the role does with transfers."""

    side: str  # "manager" or "gateway"

    def standing(self) -> tuple[Keyword, str]:
        """(READY, "") or (SUSPENDED, why): does the role take transfers now?"""
        ...

    def take(self, offer: Offer, decided: Decided) -> None:
        """Make a move of the offer, or refuse it with a verdict; call `decided` once, now or later."""
        ...

    def taken(self, offer: Offer, move: Receive) -> None:
        """The move is durable for the first time: log it, act on it."""
        ...

    def journal(self, peer: Peer, rows: tuple[Row, ...], taken: JournalTaken) -> None:
        """Rows of the peer were applied."""
        ...

    def suspended_quarantines(self) -> tuple[str, ...]: ...
    def checks(self, asker: Asker) -> tuple[Line, ...]:
        """What XQSTAT is answered."""
        ...

    def clocks(self, peer: Peer, *, differ: bool) -> None:
        """The peer's clock and ours are more than five minutes apart, or (again) not."""
        ...

    def met(self, peer: Peer) -> None:
        """The peer said hello and all is well; work for it may be waiting."""
        ...


class Trusts(Protocol):
    def context(self, *, server_side: bool) -> Any: ...
    def peer_of(self, info: TlsInfo) -> Peer | None: ...
    def refresh(self) -> None: ...
    def told(self, serial: str) -> tuple[bytes, str]:
        """For a hello to that peer: our next certificate (DER), and the fingerprint of its next one that we believe."""
        ...

    def shown_next(self, info: TlsInfo) -> str:
        """The certificate in PEM when it is the next one of an enrolled peer, else ""."""
        ...

    def check_next(self, peer: Peer, certificate: bytes) -> str:
        """In PEM, "" when it is known already. Raises ValueError: why it cannot be that peer's next one."""
        ...

    def name_of(self, certificate: bytes) -> str:
        """The fingerprint."""
        ...


class Live(Protocol):
    """A session that is under way."""

    serial: str
    nonce: str

    def end(self, verdict: Verdict) -> None: ...


class Port(Protocol):
    """The quarantine port, as its sessions see it."""

    services: Services
    settings: CpqSettings
    trust: Trusts
    taker: Taker
    sessions: set[Live]
    strangers: Counter[str]
    closing: bool  # the appliance stops: a connection that comes now is only refused

    @property
    def listening(self) -> bool:
        """The port takes connections."""
        ...

    def fence(self, serial: str, nonce: str, *, but: Live) -> None: ...
    def drop_peer(self, serial: str) -> None: ...
    def set_back(self, peer: Peer, number: int) -> None:
        """A hello showed that one of the two was set back, and that is durable; the peer states `number`."""
        ...

    def recover(self, peer: Peer) -> None:
        """A hello while one of the two is set back is durable: there may be a step of the recovery to do."""
        ...

    def hello_reply(self, keyword: Keyword, peer: Peer, *, why: str = "") -> HelloReply: ...
    def my_hello(self, peer: Peer) -> Hello: ...
