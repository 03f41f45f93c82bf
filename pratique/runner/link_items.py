"""The values that a link and its session share."""

from dataclasses import dataclass, field

from pratique.transfer.messages import SealedGroup


@dataclass(slots=True)
class Item:
    """One transfer on its way."""

    cid: str
    hop: int
    mid: int
    rids: tuple[int, ...]
    group: SealedGroup
    seq: int
    octets: bytes | None  # the body in memory, else it is read from the spool
    intended: bool = True  # the intent X is durable: it may be sent
    attempts: int = 0
    verified: bool = False  # the body was read again and found good after XQDIGEST


@dataclass(slots=True)
class Health:
    """What operators see of a destination."""

    up: bool | None = None  # None: no attempt yet
    last_error: str = ""
    next_attempt_ms: int = 0
    connections: int = 0
    active_ms: int = 0  # when the last attempt began
    address: str = ""  # and where it went, host:port
    delivered: int = 0  # recipients; of a peer: messages
    soft_bounced: int = 0  # events
    hard_bounced: dict[str, int] = field(default_factory=dict)  # recipients, by delivery.bounce.Hard
    deleted: int = 0  # recipients, by a person or by a route to /dev/null
    last_5xx: str = ""

    def attempt(self, host: str, port: int) -> None:
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def forget_counts(self) -> None:
        self.delivered = self.soft_bounced = self.deleted = 0
        self.hard_bounced = {}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended. `good`: the hello was answered and nothing broke."""

    good: bool
    refused: bool = False
    pause_seconds: float = 0.0
    why: str = ""


def instance_of(nonce: str, inc: int) -> str:
    """One life of a peer, as far as waiting for it is concerned."""
    return f"{nonce} {inc}"
