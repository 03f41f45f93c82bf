"""Changes that bear on the quarantine service and are not in force: staged and not committed, or committed and waiting
for a restart.

What is staged lies in files (config/staged.py). They are few, and read again only when one of them has changed, since
a peer may ask as often as it likes.
"""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pratique.config.merging import changes
from pratique.config.staged import Staged, everybody
from pratique.front.own_file import DIRECTORY, STAGED_DIRECTORY
from pratique.runner.ready import Readiness

BEARING = {
    "gateway": (("cpq",), ("interfaces",), ("gateway", "quarantines")),
    "manager": (("cpq",), ("interfaces",), ("manager",)),
}
NAMED_MAX = 3  # options that are named
RESTART = ("cpq.",)  # how options begin that count when they wait for a restart


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one person has staged at one level: the options that bear on the service, dotted."""

    who: str
    level: str  # "" = of this machine
    keys: tuple[str, ...]

    @property
    def text(self) -> str:
        more = " and others" if len(self.keys) > NAMED_MAX else ""
        return f"{', '.join(self.keys[:NAMED_MAX])}{more} by {self.who}" + (f" for {self.level}" if self.level else "")


@dataclass(slots=True)
class Uncommitted:
    """`later`: options that are committed and take effect with the next start only, as front/restart.py names them."""

    directory: Path
    role: str
    later: Callable[[], list[str]]
    _seen: tuple[tuple[str, int, int], ...] | None = None
    _found: tuple[Waiting, ...] = field(default=())

    def staged(self) -> tuple[Waiting, ...]:
        """By name. Blocking, for some milliseconds after somebody staged a change."""
        place = self.directory / DIRECTORY / STAGED_DIRECTORY
        seen = tuple(sorted(_seen(place)))
        if seen != self._seen:
            self._found = tuple(found for one in everybody(place) if (found := self._bearing(*one)) is not None)
            self._seen = seen
        return self._found

    def restart(self) -> list[str]:
        """Options of the quarantine port that are committed and not in force."""
        return [what for what in self.later() if what.startswith(RESTART)]

    def cure(self) -> str:
        """For a peer: what is to be done, "" = nothing. It names options, and no person."""
        try:
            keys = sorted({key for waiting in self.staged() for key in waiting.keys})
        except OSError:  # a disk that others report
            keys = []
        if keys:
            return f"Commit or clear what is staged of {', '.join(keys[:NAMED_MAX])} on the {self.role}"
        later = self.restart()
        return f"Restart the {self.role}: {', '.join(later[:NAMED_MAX])} is committed and not in force" if later else ""

    def check(self) -> Readiness:
        """For a person of this machine. Blocking. Raises OSError."""
        staged, later = self.staged(), self.restart()
        if staged:
            found = f"staged and not committed: {'; '.join(one.text for one in staged)}"
            return Readiness("committed-here", False, found, "Whoever staged it: `commit`, or `clearchanges`")
        if later:
            found = f"committed, and in force with the next start only: {', '.join(later)}"
            return Readiness("committed-here", False, found, "Restart this gateway")
        return Readiness("committed-here", True, "no change of the quarantine service waits for a commit or a restart")

    def _bearing(self, who: str, mark: str, staged: Staged) -> Waiting | None:
        try:
            changed = changes(staged.base, staged.text)
        except tomllib.TOMLDecodeError:
            return None  # it can be staged no further and not be committed
        keys = [key for key in changed if any(key[: len(one)] == one for one in BEARING[self.role])]
        return Waiting(who, mark, tuple(map(".".join, keys))) if keys else None


def _seen(place: Path) -> Iterator[tuple[str, int, int]]:
    """What tells that a file is another: each is replaced whole."""
    for path in place.glob("*.json"):
        with suppress(FileNotFoundError):  # committed or cleared this very moment
            found = path.stat()
            yield path.name, found.st_mtime_ns, found.st_ino
