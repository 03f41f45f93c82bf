"""The committed configuration of this machine: its one file, the history of it, and its rows in the audit.

A commit writes the new text into the history, then over the file, then its audit row with the number of the version in
one transaction; only then is it in force. A crash between these steps is found at the next start or reload, by that
number: a version that never came into the file goes, and one that did gets its row. A file that is neither was edited
by hand, and is recorded as that. Blocking calls run in a thread; one change at a time.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from pratique.config.history import History, Version
from pratique.config.keeping import replace_file
from pratique.config.merging import difference
from pratique.config.reading import Problem
from pratique.console.commands.staging import Change, Done, NotConfigured
from pratique.front.files import check_text
from pratique.front.options import FILE
from pratique.net.clock import Clock
from pratique.store.interface import Store
from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry

DIRECTORY = "configuration"  # below the appliance's: history, staged and saved texts
HISTORY = "history"
STAGED_DIRECTORY = "staged"
SETTING = "configuration"  # {"number": of the version in force, "sha256": of its text}
DIFFERENCE_CHARS_MAX = 100_000  # of an audit row; the whole texts are in the history
HAND = "file"  # who edited it, where nobody said
FOUND = "as it was found"
EDITED = "edited by hand"
STAGED = "staged configuration"  # how a text that is no file yet is called in a problem


class OwnFile:
    """`in_force`: let the file be in force; what takes effect with the next start only, in words."""

    def __init__(self, directory: Path, store: Store, clock: Clock, in_force: Callable[[], list[str]]) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._in_force = in_force
        self._history = History(directory / DIRECTORY / HISTORY)
        self._changing = asyncio.Lock()

    # --- Place
    def read(self) -> str:
        return (self._directory / FILE).read_text("utf-8")

    def check(self, text: str) -> list[Problem]:
        """All that `check-config` finds in the text; and who this appliance is does not change."""
        options, problems = check_text(self._directory, text, file=STAGED, thorough=True)
        if problems:
            return problems
        own = check_text(self._directory, self.read(), file=FILE)[0].appliance
        for key in ("role", "serial"):
            if getattr(own, key) and getattr(options.appliance, key) != getattr(own, key):
                cure = f'write "{getattr(own, key)}"; another appliance is made with `pratique init`'
                problems.append(Problem(STAGED, 0, f"appliance.{key}", "cannot be changed", cure))
        return problems

    async def commit(self, former: str, text: str, change: Change) -> Done:
        """`former`: what the file is taken to be; it is not written over when it is another by now. The text was
        checked. Raises NotConfigured, OSError, StoreFailed."""
        async with self._changing:
            await self._settle(HAND)
            if self.read() != former:
                raise NotConfigured("the configuration was changed this very moment; commit again", conflict=True)
            now = self._clock.now_ms()
            version = Version(0, now, change.by, change.comment, change.offered)
            added = await asyncio.to_thread(self._write, version, text)
            told = difference(former, text)
            await self._record(added, text, audited(change, told))
            return Done(now, told, tuple(self._in_force()))

    def history(self) -> tuple[Version, ...]:
        return self._history.all()

    def version(self, number: int) -> str | None:
        return self._history.text(number)

    # --- the file under somebody else's hands
    async def reload(self, who: str) -> Done:
        """The file as it is comes into force. Raises NotConfigured when it is bad: nothing changes then."""
        async with self._changing:
            text = self.read()
            problems = await asyncio.to_thread(self._file_problems, text)
            if problems:
                self._in_force()  # says them in the log, and opens the logs anew
                raise NotConfigured("The file is not in force:", problems)
            done = await self._settle(who)
            later = tuple(self._in_force())
            return Done(self._clock.now_ms(), done.difference if done is not None else "", later)

    async def settle(self) -> None:
        """At a start: what the file has become since the last life is on record."""
        async with self._changing:
            await self._settle(HAND)

    def _file_problems(self, text: str) -> list[Problem]:
        return check_text(self._directory, text, file=str(self._directory / FILE))[1]

    async def _settle(self, who: str) -> Done | None:
        text = self.read()
        known = json.loads(self._store.view.setting(SETTING, "{}"))
        number, sha256 = known.get("number", 0), known.get("sha256", "")
        pending = await asyncio.to_thread(self._after_crash, number, text)
        if sha256 == _sha256(text):
            return None
        if pending is not None:  # it came into the file and not into the audit
            version, change = pending, Change(pending.by, pending.comment)
        else:
            comment = EDITED if sha256 else FOUND
            made = Version(0, self._clock.now_ms(), who, comment)
            version = await asyncio.to_thread(self._history.add, made, text)
            change = Change(who, comment, "edit-configuration")
        former = self._history.text(number)
        told = difference(former, text) if former is not None else ""
        await self._record(version, text, audited(change, told) if sha256 else ())
        return Done(version.at_ms, told)

    def _after_crash(self, number: int, text: str) -> Version | None:
        """Versions behind the recorded one that never came into the file go; the one that did."""
        for version in self._history.all():
            if version.number <= number:
                return None
            if self._history.text(version.number) == text:
                return version
            self._history.drop(version.number)
        return None

    def _write(self, version: Version, text: str) -> Version:
        added = self._history.add(version, text)
        try:
            replace_file(self._directory / FILE, text)
        except OSError:
            if self.read() != text:
                self._history.drop(added.number)
            raise
        return added

    async def _record(self, version: Version, text: str, entries: tuple[AuditEntry, ...]) -> None:
        value = json.dumps({"number": version.number, "sha256": _sha256(text)})
        await self._store.submit(PutSetting(SETTING, value, entries))


def audited(change: Change, told: str) -> tuple[AuditEntry, ...]:
    """The row of a change: comment and difference."""
    detail: dict[str, object] = {"comment": change.comment, "difference": told[:DIFFERENCE_CHARS_MAX]}
    if len(told) > DIFFERENCE_CHARS_MAX:
        detail["cut"] = True
    return (AuditEntry(change.by, change.action, detail=json.dumps(detail)),)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
