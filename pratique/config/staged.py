"""What each person has staged: one file for each, 0600, over sign-ins and restarts.

A file holds the text and the committed text from which it was made; the second tells at commit what others changed
meanwhile. Blocking.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pratique.config.keeping import remove_file, replace_file

DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Staged:
    """`text` whole, and the committed text `base` from which it was made."""

    base: str
    text: str


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """`mark`: of the level that the texts are of, behind each name."""

    directory: Path
    mark: str = ""

    def get(self, who: str) -> Staged | None:
        """None: nothing is staged. Raises OSError; ValueError when the file is not one of ours."""
        try:
            kept = json.loads(self._path(who).read_bytes())
        except FileNotFoundError:
            return None
        if not isinstance(kept, dict) or not all(isinstance(kept.get(key), str) for key in ("base", "text")):
            raise ValueError(f"{self._path(who)} is no staged configuration; `clearchanges` takes it away")
        return Staged(kept["base"], kept["text"])

    def put(self, who: str, staged: Staged) -> None:
        """Durable on return. Raises OSError."""
        self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        replace_file(self._path(who), json.dumps({"base": staged.base, "text": staged.text}))

    def drop(self, who: str) -> bool:
        """False: there was nothing. Durable on return. Raises OSError."""
        return remove_file(self._path(who))

    def _path(self, who: str) -> Path:
        """A name may hold anything: it is escaped, so that it names a file of this directory and nothing else."""
        mark = f"@{quote(self.mark, safe='')}" if self.mark else ""
        return self.directory / f"{quote(who, safe='')}{mark}.json"


def everybody(directory: Path) -> Iterator[tuple[str, str, Staged]]:
    """Who has staged what below `directory`: name, mark of the level, texts. A file that is none of ours is passed
    over. Raises OSError."""
    for path in sorted(directory.glob("*.json")):
        who, _, mark = path.name.removesuffix(".json").partition("@")
        try:
            staged = StagedFiles(directory, unquote(mark)).get(unquote(who))
        except ValueError:
            continue
        if staged is not None:
            yield unquote(who), unquote(mark), staged
