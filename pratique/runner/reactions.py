"""What the sender does with each deciding reply (docs/cpq.md, deciding replies), as one table.

Only ACC, CANC and CANCELLED move custody. A keyword that is missing here means that the peer is broken.
"""

from dataclasses import dataclass
from enum import Enum

from pratique.delivery.custody import Event
from pratique.transfer.messages import Keyword


class React(Enum):
    MOVE = "custody moves"
    RETRY = "keep, send again later"
    PAUSE = "keep, say hello anew before anything more is sent"
    CANCEL = "cancel, then keep for a person"
    VERIFY = "read the body again; bad: corrupt; good: one retry, then cancel"
    STUCK = "keep for a person, never cancelled, never sent again"


@dataclass(frozen=True, slots=True)
class Reaction:
    react: React
    event: Event | None = None
    pause_seconds: float = 0.0
    alarm: bool = False


REACTIONS: dict[Keyword, Reaction] = {
    Keyword.ACC: Reaction(React.MOVE, Event.ACC),
    Keyword.CANC: Reaction(React.MOVE, Event.CANC),
    Keyword.CANCELLED: Reaction(React.MOVE, Event.CANC),
    Keyword.SUSPENDED_QUARANTINE: Reaction(React.PAUSE, pause_seconds=30),
    Keyword.STORE: Reaction(React.RETRY),
    Keyword.RECON: Reaction(React.PAUSE, pause_seconds=10),
    Keyword.SUSPENDED: Reaction(React.PAUSE, pause_seconds=30),
    Keyword.FULL: Reaction(React.PAUSE, pause_seconds=30),
    Keyword.VERSION: Reaction(React.PAUSE, pause_seconds=300, alarm=True),
    Keyword.RECIPIENTS: Reaction(React.CANCEL, alarm=True),
    Keyword.TOO_BIG: Reaction(React.CANCEL, alarm=True),
    Keyword.DIGEST: Reaction(React.VERIFY, alarm=True),
    Keyword.BARE: Reaction(React.CANCEL, alarm=True),
    Keyword.META_BAD: Reaction(React.CANCEL, alarm=True),
    Keyword.PARAMETER: Reaction(React.CANCEL, alarm=True),
    Keyword.NO_RECIPIENT: Reaction(React.CANCEL, alarm=True),
    Keyword.DENIED: Reaction(React.CANCEL, alarm=True),
    Keyword.CONFLICT: Reaction(React.STUCK, alarm=True),
}
