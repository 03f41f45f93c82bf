"""What people staged, over the committed text of a level: console.commands.staging.Configuration.

Where the text of a level lies and what a commit to it does is a Place; the machine's own is front/own_file.py.
"""

import asyncio
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pratique.config.edits import Edit, Put, Replace, apply_edits
from pratique.config.history import Version
from pratique.config.keeping import replace_file
from pratique.config.level import MACHINE, Kind, Level
from pratique.config.merging import Conflict, merge
from pratique.config.overrides import OverrideRefused
from pratique.config.reading import FILE_BYTES_MAX, Problem, loads
from pratique.config.staged import DIRECTORY_MODE, Staged, StagedFiles
from pratique.config.writing import render
from pratique.console.commands.staging import Change, Done, NotConfigured
from pratique.front.init import initial_options
from pratique.front.options import Options
from pratique.front.own_file import DIRECTORY, STAGED, STAGED_DIRECTORY, OwnFile
from pratique.net.clock import Clock

SAVED = "saved"
KEPT = (
    "interfaces",
    "cpq",
    "web",
    "ssh",
    "store",
    "log",
)  # through a reset: where the appliance is reached, and its mail
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")  # of a saved file: no path


class Place(Protocol):
    """The committed text of one level."""

    def read(self) -> str:
        """Raises OSError."""
        ...

    def check(self, text: str) -> list[Problem]: ...

    async def commit(self, former: str, text: str, change: Change) -> Done:
        """Durable and in force on return. `former`: what the text was when it was looked at. Raises NotConfigured,
        OSError."""
        ...

    def history(self) -> tuple[Version, ...]: ...

    def version(self, number: int) -> str | None: ...


class KeptConfiguration:
    """`options`: those that the appliance runs by. `places`: of the levels that this machine is in, beside its own."""

    def __init__(
        self,
        directory: Path,
        own: OwnFile,
        *,
        options: Options,
        clock: Clock,
        places: Callable[[Level], Place | None] = lambda level: None,
    ) -> None:
        self._directory = directory / DIRECTORY
        self._own = own
        self._options = options
        self._clock = clock
        self._places = places
        self._staging = asyncio.Lock()

    @property
    def declared(self) -> type:
        return type(self._options)

    def committed(self, level: Level = MACHINE) -> str:
        return self._place(level).read()

    def staged(self, who: str, level: Level = MACHINE) -> Staged | None:
        try:
            return self._files(level).get(who)
        except ValueError:
            return None  # a file that is none of ours; the next one takes its place

    def edited(self, text: str, edits: Sequence[Edit]) -> str:
        if not any(isinstance(edit, Replace) for edit in edits):
            self._readable(text)
        try:
            after = apply_edits(text, edits, self.declared)
        except OverrideRefused as error:
            raise NotConfigured(str(error)) from error
        except tomllib.TOMLDecodeError as error:
            raise NotConfigured(f"the text is not TOML: {error}") from error
        known = {(one.key, one.why) for one in loads(text, self.declared)[1]}
        found = loads(after, self.declared, file=STAGED)[1]
        if new := [problem for problem in found if (problem.key, problem.why) not in known]:
            raise NotConfigured("This cannot be:", new)
        return after

    async def stage(self, who: str, edits: Sequence[Edit], level: Level = MACHINE) -> None:
        async with self._staging:
            before = self.staged(who, level)
            if before is None:
                text = self.committed(level)
                before = Staged(text, text)
            after = Staged(before.base, self.edited(before.text, edits))
            if after.text == after.base:
                await asyncio.to_thread(self._files(level).drop, who)
            else:
                await asyncio.to_thread(self._files(level).put, who, after)

    async def clear(self, who: str, level: Level = MACHINE) -> bool:
        async with self._staging:
            return await asyncio.to_thread(self._files(level).drop, who)

    def merged(self, who: str, level: Level = MACHINE) -> str:
        return self._merged(who, level, self.committed(level))

    def options(self, text: str) -> Any:
        self._readable(text)
        return loads(text, self.declared)[0]

    def check(self, text: str, level: Level = MACHINE) -> list[Problem]:
        return self._place(level).check(text)

    async def commit(self, who: str, change: Change, level: Level = MACHINE) -> Done:
        async with self._staging:
            place = self._place(level)
            former = place.read()
            text = self._merged(who, level, former)
            if text == former:  # others did the same, or a crash came behind the commit
                await asyncio.to_thread(self._files(level).drop, who)
                return Done(self._clock.now_ms(), "")
            if problems := await asyncio.to_thread(place.check, text):
                raise NotConfigured("Nothing was committed:", problems)
            done = await place.commit(former, text, change)
            await asyncio.to_thread(self._files(level).drop, who)
            return done

    def history(self, level: Level = MACHINE) -> tuple[Version, ...]:
        return self._place(level).history()

    def version(self, number: int, level: Level = MACHINE) -> str:
        text = self._place(level).version(number)
        if text is None:
            raise NotConfigured(f"the configuration {number} is not kept any more")
        return text

    async def reload(self, who: str) -> Done:
        return await self._own.reload(who)

    def adopted(self, text: str) -> str:
        own = self._options.appliance
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise NotConfigured(f"the text is not TOML: {error}") from error
        appliance = given.get("appliance")
        role = appliance.get("role") if isinstance(appliance, dict) else None
        if role != own.role:
            raise NotConfigured(f"the text is no configuration of a {own.role}: appliance.role is {role!a}")
        return self.edited(text, (Put("appliance.name", own.name), Put("appliance.serial", own.serial)))

    def initial(self) -> str:
        now = self.options(self.committed())
        new = initial_options(now.appliance.role, now.appliance.name, now.appliance.serial)
        return render(replace(new, **{name: getattr(now, name) for name in KEPT}))

    async def save(self, text: str) -> Path:
        own, now = self._options.appliance, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return await self.keep(f"{own.name}-{own.serial}-{now:%Y%m%dT%H%M%S}.toml", text)

    async def keep(self, name: str, text: str) -> Path:
        if not _NAME.match(name):
            raise NotConfigured(f"{name!a} is no name of a file: write letters, digits, dots and hyphens")
        path = self._directory / SAVED / name
        (self._directory / SAVED).mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        await asyncio.to_thread(replace_file, path, text)
        return path

    def saved(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in (self._directory / SAVED).glob("*") if _NAME.match(path.name)))

    def load(self, name: str) -> str:
        path = self._directory / SAVED / name
        if not _NAME.match(name) or not path.is_file():
            raise NotConfigured(f"there is no file {name!a} in {self._directory / SAVED}")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise NotConfigured(f"{name} has more than {FILE_BYTES_MAX} octets")
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise NotConfigured(f"{name} is no UTF-8 text") from error

    # --- parts
    def _readable(self, text: str) -> None:
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise NotConfigured(f"the configuration is not TOML ({error}); correct the file, then `reload`") from error

    def _place(self, level: Level) -> Place:
        place = self._own if level.kind is Kind.MACHINE else self._places(level)
        if place is None:
            raise NotConfigured(f"this machine is in no {level}")
        return place

    def _files(self, level: Level) -> StagedFiles:
        return StagedFiles(self._directory / STAGED_DIRECTORY, str(level) if level != MACHINE else "")

    def _merged(self, who: str, level: Level, committed: str) -> str:
        staged = self.staged(who, level)
        if staged is None:
            return committed
        try:
            return merge(staged.base, staged.text, committed)
        except Conflict as error:
            told = (
                f"somebody else committed a change of {error} since you staged yours; see it with `showconfig`, then "
                "`clearchanges` and stage what is still wanted"
            )
            raise NotConfigured(told, conflict=True) from error
        except tomllib.TOMLDecodeError as error:
            raise NotConfigured(f"the committed configuration is not TOML ({error}); correct the file") from error
