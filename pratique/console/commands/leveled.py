"""The configuration as one session sees it: what is not asked of another level is of the level that its mode names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.config.edits import Edit
from pratique.config.level import MACHINE, Level
from pratique.config.reading import Problem
from pratique.console.commands.staging import Change, Configuration, Done, Staged, Version


@dataclass(slots=True)
class Mode:
    level: Level = MACHINE


class Leveled:
    def __init__(self, inner: Configuration, mode: Mode) -> None:
        self._inner = inner
        self._mode = mode

    def _at(self, level: Level) -> Level:
        return self._mode.level if level == MACHINE else level

    @property
    def declared(self) -> type:
        return self._inner.declared

    def committed(self, level: Level = MACHINE) -> str:
        return self._inner.committed(self._at(level))

    def staged(self, who: str, level: Level = MACHINE) -> Staged | None:
        return self._inner.staged(who, self._at(level))

    def edited(self, text: str, edits: Sequence[Edit]) -> str:
        return self._inner.edited(text, edits)

    async def stage(self, who: str, edits: Sequence[Edit], level: Level = MACHINE) -> None:
        await self._inner.stage(who, edits, self._at(level))

    async def clear(self, who: str, level: Level = MACHINE) -> bool:
        return await self._inner.clear(who, self._at(level))

    def merged(self, who: str, level: Level = MACHINE) -> str:
        return self._inner.merged(who, self._at(level))

    def options(self, text: str) -> Any:
        return self._inner.options(text)

    def check(self, text: str, level: Level = MACHINE) -> list[Problem]:
        return self._inner.check(text, self._at(level))

    async def commit(self, who: str, change: Change, level: Level = MACHINE) -> Done:
        return await self._inner.commit(who, change, self._at(level))

    def history(self, level: Level = MACHINE) -> tuple[Version, ...]:
        return self._inner.history(self._at(level))

    def version(self, number: int, level: Level = MACHINE) -> str:
        return self._inner.version(number, self._at(level))

    async def reload(self, who: str) -> Done:
        return await self._inner.reload(who)

    def adopted(self, text: str) -> str:
        return self._inner.adopted(text)

    def initial(self) -> str:
        return self._inner.initial()

    async def save(self, text: str) -> Path:
        return await self._inner.save(text)

    async def keep(self, name: str, text: str) -> Path:
        return await self._inner.keep(name, text)

    def saved(self) -> tuple[str, ...]:
        return self._inner.saved()

    def load(self, name: str) -> str:
        return self._inner.load(name)
