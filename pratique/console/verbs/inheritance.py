"""What a command that configures a machine says when that machine has the feature from its group or its cluster.

Features are set whole: what a machine sets itself replaces all that the level above gives. The reference system asks in
this place; here it is said, on the second stream, so that scripts read the same as on a machine alone.
"""

from pratique.config.level import MACHINE
from pratique.console.access.roles import Person
from pratique.console.commands import cluster
from pratique.console.commands.desk import Desk

__all__ = ["inheritance_note"]

FEATURE_OF = {
    "alertconfig": "alerts",
    "bounceconfig": "bounce",
    "deliveryconfig": "delivery",
    "listenerconfig": "listeners",
    "logconfig": "log",
    "smtproutes": "smtproutes",
}
BY_KEY = frozenset({"get", "set", "unset", "add"})


async def inheritance_note(desk: Desk, person: Person, name: str, words: tuple[str, ...]) -> str:
    """ "" when there is nothing to say."""
    if name not in FEATURE_OF and name not in BY_KEY:
        return ""
    if desk.clusters is None or desk.clusters.membership is None or desk.mode.level != MACHINE:
        return ""
    feature = FEATURE_OF.get(name) or (_of_key(desk, words[0]) if name in BY_KEY and words else "")
    if not feature:
        return ""
    used = {row[0]: row[2] for row in await cluster.feature_levels(desk, person)}.get(feature, "machine")
    if used in ("machine", "nowhere"):
        return ""
    return (
        f"NOTICE: this machine has {feature} from the {used}; what is shown and staged here is of the machine alone "
        f"and, once it sets anything of it, counts in place of all of that. To change it there: `clustermode {used}`. "
        f"To start from it: `clusterset copy {feature} {used}`."
    )


def _of_key(desk: Desk, key: str) -> str:
    name = tuple(key.split("."))
    for feature in desk.clustered().features:
        if any(name[: len(option)] == option or option[: len(name)] == name for option in feature.options):
            return feature.name
    return ""
