"""What a run may do (bounds) and which safeguards stand. A mutant is a Rules value with one safeguard removed, or with
one row of a production table changed."""

from dataclasses import dataclass, field
from enum import Enum

from pratique.delivery import custody, recovery
from pratique.delivery.custody import GatewayCopy, ManagerCopy
from pratique.delivery.recovery import Release, Shown, Told


class Safeguard(Enum):
    """What is not a row of a table: name, and what it says. Each has a mutant that goes without it."""

    COMMIT_FIRST = "The receiver answers XQACC only after the commit."
    FSYNC = "A commit is on the disk before it is answered."
    KEEP_UNTIL_ACC = "The sender lets the copy go only after XQACC."
    CANCEL_FIRST = "Once an intent is written, a gateway falls back only after XQCANC."
    SWITCH_CANCEL = "A release goes to another gateway only after the first has answered XQCANC."
    REOFFER_CANCEL = "A release is offered anew (hop+2) only after every target has answered XQCANC."
    ANSWER_OF_TARGET = "An answer counts only for the peer that gave it: the old target's CANC is none of the new one."
    RELEASE_RECORDED = "The release, with its actor, is committed before the first octet leaves."
    PRUNE_LATE = "A tombstone goes only after XQCONFIRM and two session walls."
    PEER_REMEMBERED = "A tombstone remembers its peer: an id held for another is a conflict."
    SEAL_REMEMBERED = "A tombstone remembers its seal: the same id with other content is a conflict."
    INFERRED_MATCHES_ANY = "A tombstone inferred while reconciling has no seal and matches any."
    INFERRED_FROM_ANY = "A tombstone inferred from what another gateway told has no peer and matches any."
    SHADOW = "A gateway keeps the body after XQACC until the manager's backup has it."
    RECON = "A restored manager takes no custody step before every gateway has testified."
    INC_FENCE = "After reconciliation whatever an older incarnation sent, or was sent, is dropped."
    RECON_ROLLED = "Reconciling: a gateway that was set back, too, cannot testify; it must adopt (again)."
    HOLD = "A rolled-back gateway takes no custody step before it has adopted the manager's journal."
    CANCELS_FORGOTTEN = "What a gateway cancelled before it was set back counts no more: it may not remember."
    INSTANCE_FENCE = "A new instance of a gateway ends all sessions of the old one."
    ADOPT_KEEP_END = "Adopting: a release that the snapshot itself shows as delivered stays delivered."
    ADOPT_NEWER_INC = "Adopting from a manager that was itself restored: what it does not know goes to DOUBT."


@dataclass(frozen=True, slots=True)
class Tables(custody.Tables):
    """All tables that the stores apply; the mutants are copies with a row changed."""

    reconcile: dict[tuple[ManagerCopy, Told], ManagerCopy] = field(default_factory=lambda: recovery.RECONCILE)
    adopt: dict[tuple[GatewayCopy, Shown], GatewayCopy] = field(default_factory=lambda: recovery.ADOPT)
    adopt_release: dict[Release, GatewayCopy] = field(default_factory=lambda: recovery.ADOPT_RELEASE)
    came: dict[Told, custody.Tombstone] = field(default_factory=lambda: recovery.CAME)


TABLES = Tables()


@dataclass(frozen=True, slots=True)
class Rules:
    crashes: int = 2
    restores: int = 0
    backups: int = 1  # of M; any of them may be restored
    rollbacks: int = 0
    fallback: bool = True  # G may cancel and deliver by itself
    fallback_unsent: bool = True  # ... also before it has written an intent
    failover: bool = True  # M may cancel at G and release through H
    override: bool = False  # an actor may release through H although G is silent
    reoffer: bool = False  # M may cancel at H, too, and offer hop 4
    prune: bool = False  # tombstones end
    stranger: str = ""  # "peer": another gateway uses the same id; "seal": G itself, with other content
    gateway: Tables = TABLES
    manager: Tables = TABLES
    without: Safeguard | None = None

    def keep(self, safeguard: Safeguard) -> bool:
        return self.without is not safeguard
