"""The configurations that were in force, one file each: a line of comment that says who committed it, then its text.

So each can be read, compared and used as it lies there. The oldest go when there are more than VERSIONS_MAX. Blocking.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pratique.config.keeping import remove_file, replace_file
from pratique.config.staged import DIRECTORY_MODE

VERSIONS_MAX = 50  # the reference system keeps ten; a file has some tens of kilobytes
HEAD = "# pratique: "


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration that is or was in force. `offered`: its maker wanted it kept for a roll-back."""

    number: int
    at_ms: int
    by: str
    comment: str
    offered: bool = True


@dataclass(frozen=True, slots=True)
class History:
    directory: Path
    versions_max: int = VERSIONS_MAX

    def add(self, version: Version, text: str) -> Version:
        """With the number behind the newest. Durable on return. Raises OSError."""
        self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        numbers = sorted(self._numbers())
        added = replace(version, number=numbers[-1] + 1 if numbers else 1)
        replace_file(self._path(added.number), HEAD + json.dumps(asdict(added)) + "\n" + text)
        for number in numbers[: max(0, len(numbers) + 1 - self.versions_max)]:
            remove_file(self._path(number))
        return added

    def all(self) -> tuple[Version, ...]:
        """The newest first; a file that is none of ours is left out."""
        found = [self._read(number) for number in sorted(self._numbers(), reverse=True)]
        return tuple(one[0] for one in found if one is not None)

    def newest(self) -> tuple[Version, str] | None:
        for number in sorted(self._numbers(), reverse=True):
            if (found := self._read(number)) is not None:
                return found
        return None

    def text(self, number: int) -> str | None:
        """None: it is not kept."""
        found = self._read(number)
        return found[1] if found is not None else None

    def drop(self, number: int) -> None:
        remove_file(self._path(number))

    def _read(self, number: int) -> tuple[Version, str] | None:
        try:
            head, _, text = self._path(number).read_text("utf-8").partition("\n")
            kept = json.loads(head.removeprefix(HEAD))
            return Version(number, kept["at_ms"], kept["by"], kept["comment"], kept["offered"]), text
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _numbers(self) -> Iterator[int]:
        return (int(path.stem) for path in self.directory.glob("[0-9]*.toml") if path.stem.isdecimal())

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:06}.toml"
