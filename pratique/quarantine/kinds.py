"""The kinds of quarantine and what each comes with (docs/operate/quarantine.md).

Five quarantines are made by the system; all others are of kind policy and made by administrators.
"""

from dataclasses import dataclass
from enum import StrEnum

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400

POLICY = "Policy"
VIRUS = "Virus"
OUTBREAK = "Outbreak"
UNCLASSIFIED = "Unclassified"
FILE_ANALYSIS = "File Analysis"


class Kind(StrEnum):
    POLICY = "policy"
    VIRUS = "virus"
    OUTBREAK = "outbreak"
    AMP = "amp"
    UNCLASSIFIED = "unclassified"


class DefaultAction(StrEnum):
    """What happens to a message whose time is up; there are only these two."""

    RELEASE = "release"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Made:
    """A quarantine that the system makes."""

    name: str
    kind: Kind
    retention_s: int
    default_action: DefaultAction
    deletable: bool
    assignable: bool  # a filter may name it


SYSTEM_MADE = {
    made.name: made
    for made in (
        Made(POLICY, Kind.POLICY, 10 * DAY_S, DefaultAction.DELETE, deletable=True, assignable=True),
        Made(VIRUS, Kind.VIRUS, 30 * DAY_S, DefaultAction.DELETE, deletable=False, assignable=True),
        # the retention that counts is the mail policy's; this one serves a deposit that states none
        Made(OUTBREAK, Kind.OUTBREAK, DAY_S, DefaultAction.RELEASE, deletable=False, assignable=True),
        Made(UNCLASSIFIED, Kind.UNCLASSIFIED, 30 * DAY_S, DefaultAction.RELEASE, deletable=False, assignable=False),
        Made(FILE_ANALYSIS, Kind.AMP, HOUR_S, DefaultAction.RELEASE, deletable=False, assignable=True),
    )
}


def kind_of(name: str) -> Kind:
    """The kind that a quarantine of this name has: fixed for the system's, policy for all others."""
    made = SYSTEM_MADE.get(name)
    return Kind.POLICY if made is None else made.kind
