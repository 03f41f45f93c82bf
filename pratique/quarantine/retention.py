"""How long a message stays and how it leaves (docs/operate/quarantine.md): at its scheduled exit, or earlier when the
space that all quarantines share runs out. Pure: times are ms since 1970, and nothing here reads a clock.

Decided where the sources differ: on overflow the oldest go first, not those closest to their exit; a message in several
quarantines takes its place by the hold that ends last, and then leaves all of them that may free space.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pratique.quarantine.kinds import DAY_S, MINUTE_S, DefaultAction
from pratique.quarantine.lifecycle import Mark

RETENTION_S_MIN = MINUTE_S  # below it a message is gone before anybody looks
RETENTION_S_MAX = 3_650 * DAY_S  # ten years: more is an archive, not a quarantine
POOL_ALERT_PERCENTS = (75, 85, 95)  # docs/operate/quarantine.md, tested when a message is placed
OUTBREAK_ALERT_PERCENTS = (5, 50, 75, 95)  # docs/operate/quarantine.md
SUBJECT_ACTIONS = ("", "prepend", "append", "set")
_BREAKS = str.maketrans("\r\n\0", "   ")


@dataclass(frozen=True, slots=True)
class Held:
    """One message in one quarantine, as far as its exit is concerned."""

    mid: int
    quarantine: str
    received: int
    exit_at: int
    default_action: DefaultAction
    frees_space: bool  # the quarantine's switch: overflow may end the hold


@dataclass(frozen=True, slots=True)
class EarlyRelease:
    """What is done in addition to a message that overflow releases; not to one whose time was up, nor by a reviewer."""

    subject_action: str = ""  # "" = none, prepend, append, set
    subject_text: str = ""
    header_name: str = ""  # "" = none
    header_text: str = ""
    strip_attachments: bool = False

    def changes(self) -> tuple[tuple[str, str, str], ...]:
        """(op, name, value) as the metadata's changes have them. No line break gets into a header."""
        found = []
        if self.subject_action:
            found.append((f"subject-{self.subject_action}", "Subject", self.subject_text.translate(_BREAKS)))
        if self.header_name:
            found.append(("add-header", self.header_name, self.header_text.translate(_BREAKS)))
        if self.strip_attachments:
            found.append(("strip-attachments", "", ""))
        return tuple(found)


def scheduled_exit(received: int, retention_s: int) -> int:
    """When the hold ends by itself. Fixed at its beginning: a later change of the retention concerns new mail only."""
    return received + min(max(retention_s, RETENTION_S_MIN), RETENTION_S_MAX) * 1_000


def mark_of(action: DefaultAction) -> Mark:
    """The mark that a default action gives."""
    return Mark.RELEASED if action is DefaultAction.RELEASE else Mark.DELETED


def expired(holds: Iterable[Held], now: int) -> tuple[Held, ...]:
    """The holds whose time is up, the longest overdue first. Each ends for itself: one message's holds have times of
    their own."""
    return tuple(sorted((hold for hold in holds if hold.exit_at <= now), key=lambda hold: (hold.exit_at, hold.mid)))


def overflow_order(holds: Sequence[Held]) -> tuple[Held, ...]:
    """The holds that may end to free space, in the order in which they do; all of one message stand together."""
    place: dict[int, tuple[int, int]] = {}  # mid -> (exit, received) of the hold that ends last
    for hold in holds:
        place[hold.mid] = max(place.get(hold.mid, (-1, -1)), (hold.exit_at, hold.received))
    willing = [hold for hold in holds if hold.frees_space]
    return tuple(sorted(willing, key=lambda hold: (place[hold.mid][1], hold.mid, hold.quarantine)))


def crossed(percents: Sequence[int], *, before: int, after: int, limit: int) -> int:
    """The highest of `percents` of `limit` that use reached on its way up from `before` to `after`; 0 = none."""
    if limit <= 0:
        return 0
    return max((percent for percent in percents if before * 100 < percent * limit <= after * 100), default=0)
