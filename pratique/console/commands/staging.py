"""What the commands of the configuration ask of an appliance: the committed text of a level, what each person has
staged over it, and the one way in which staged text becomes committed.

The implementation is front/configuration.py. Everything that changes something is durable on return.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pratique.config.edits import Edit
from pratique.config.history import Version
from pratique.config.level import MACHINE, Level
from pratique.config.reading import Problem
from pratique.config.staged import Staged

__all__ = ["Change", "Configuration", "Done", "Edit", "Level", "NotConfigured", "Staged", "Version"]


class NotConfigured(Exception):
    """Nothing was changed: why, and what to do. `problems`: each with its line, where the text itself is bad.
    `conflict`: because of what somebody else changed."""

    def __init__(self, text: str, problems: Sequence[Problem] = (), *, conflict: bool = False) -> None:
        super().__init__(text)
        self.problems = tuple(problems)
        self.conflict = conflict


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes the committed text, and what for. `action`: as the audit has it."""

    by: str
    comment: str
    action: str = "commit-configuration"
    offered: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """`difference`: from the text before, unified. `restart`: what takes effect with the next start only, in words."""

    at_ms: int
    difference: str
    restart: tuple[str, ...] = ()


class Configuration(Protocol):
    """`who`: the name of a person."""

    @property
    def declared(self) -> type:
        """The dataclass that declares the options of this appliance."""
        ...

    def committed(self, level: Level = MACHINE) -> str:
        """The text as it stands; of MACHINE, the file as it is on disk. Raises OSError."""
        ...

    def staged(self, who: str, level: Level = MACHINE) -> Staged | None:
        """None: nothing is staged."""
        ...

    def edited(self, text: str, edits: Sequence[Edit]) -> str:
        """Raises NotConfigured: also when an edit leaves an option with a value that it cannot have."""
        ...

    async def stage(self, who: str, edits: Sequence[Edit], level: Level = MACHINE) -> None:
        """All edits over what `who` has staged already, or none of them. Raises NotConfigured, as `edited`."""
        ...

    async def clear(self, who: str, level: Level = MACHINE) -> bool:
        """False: there was nothing."""
        ...

    def merged(self, who: str, level: Level = MACHINE) -> str:
        """What `commit` would commit: the staged text with what others committed meanwhile. Raises NotConfigured."""
        ...

    def options(self, text: str) -> Any:
        """The options of a text, of the class `declared`; one that cannot be read has its default. Raises NotConfigured
        when the text is broken."""
        ...

    def check(self, text: str, level: Level = MACHINE) -> list[Problem]:
        """All that `pratique check-config` would find in the text."""
        ...

    async def commit(self, who: str, change: Change, level: Level = MACHINE) -> Done:
        """What `who` has staged is committed, in force, in the history and in the audit. Raises NotConfigured."""
        ...

    def history(self, level: Level = MACHINE) -> tuple[Version, ...]:
        """The newest first; the first one is in force."""
        ...

    def version(self, number: int, level: Level = MACHINE) -> str:
        """Its text. Raises NotConfigured when it is not kept."""
        ...

    async def reload(self, who: str) -> Done:
        """The file as it was edited by hand is in force, in the history and in the audit. Raises NotConfigured."""
        ...

    def adopted(self, text: str) -> str:
        """A text that another appliance may have had, with this one's name and serial number. Raises NotConfigured."""
        ...

    def initial(self) -> str:
        """The text that `pratique init` would write, with this appliance's name and the ports that it listens on."""
        ...

    async def save(self, text: str) -> Path:
        """Into a new file of the appliance."""
        ...

    async def keep(self, name: str, text: str) -> Path:
        """As `save`, under a name; a file of that name is replaced. Raises NotConfigured."""
        ...

    def saved(self) -> tuple[str, ...]:
        """Names of the files that `save` made or a person put there."""
        ...

    def load(self, name: str) -> str:
        """The text of one of them. Raises NotConfigured."""
        ...
