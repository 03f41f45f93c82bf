"""The configuration as a person changes it: staged first, in force with `commit`.

Changes are staged per person and stay staged until the person commits or clears them, over sign-ins and restarts. What
says who an appliance is and who may reach it is for administrators alone.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pratique.config.edits import Edit, Replace
from pratique.config.level import MACHINE, Level
from pratique.config.merging import changes, difference
from pratique.config.reading import Problem
from pratique.console.access.roles import Permission, Person, may
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.commands.staging import Change, Done, NotConfigured, Version
from pratique.mail.text import log_text
from pratique.store.moves import Record
from pratique.telemetry import events as log

# sections that only an administrator changes
ADMINISTRATORS = frozenset({"appliance", "interfaces", "web", "ssh", "store", "log", "cpq", "alerts"})
COMMENT_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Working:
    """What a person works on: his staged text, or the committed one where he has staged nothing."""

    text: str
    options: Any  # of the class that declares this appliance's options
    staged: bool


class Passphrases(StrEnum):
    """How those in a configuration are shown."""

    MASK = "mask"
    ENCRYPT = "encrypt"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Commit:
    at_ms: int
    restart: tuple[str, ...]
    nothing: bool = False  # nothing was staged


@command("configuration", Permission.SETTINGS)
async def configuration(
    desk: Desk, person: Person, passphrases: Passphrases = Passphrases.MASK, level: Level = MACHINE, *, staged: bool
) -> str:
    """The committed text, or (`staged`) the one that this person works on.

    No option is a pass phrase or a key (a test holds that), so there is nothing to mask or encrypt; who
    may not change a configuration is refused the plain one all the same, so that no script counts on it.
    """
    if passphrases is Passphrases.PLAIN and not may(person, Permission.CONFIGURE):
        told = f"the role {person.role} may not see pass phrases; choose 1 (mask), or ask somebody who may configure"
        raise CommandRefused(Why.FORBIDDEN, told)
    return (await working(desk, person, level)).text if staged else _committed(desk, level)


@command("working-configuration", Permission.SETTINGS)
async def working(desk: Desk, person: Person, level: Level = MACHINE) -> Working:
    """The text with what this person has staged, and its options."""
    staged = desk.configured().staged(person.name, level)
    text = staged.text if staged is not None else _committed(desk, level)
    with refusing():
        return Working(text, desk.configured().options(text), staged is not None)


@command("edit-configuration", Permission.CONFIGURE)
async def edit(desk: Desk, person: Person, edits: Sequence[Edit], level: Level = MACHINE) -> None:
    """Stage these edits, all or none."""
    staged = desk.configured().staged(person.name, level)
    before = staged.text if staged is not None else _committed(desk, level)
    with refusing():
        after = desk.configured().edited(before, edits)
        _check_role(person, before, after)
        await desk.configured().stage(person.name, edits, level)


@command("show-changes", Permission.SETTINGS)
async def show_changes(desk: Desk, person: Person, level: Level = MACHINE) -> str:
    """The difference that this person has staged; "" when there is none."""
    staged = desk.configured().staged(person.name, level)
    return difference(staged.base, staged.text) if staged is not None else ""


@command("has-changes", Permission.OWN)
async def has_changes(desk: Desk, person: Person, level: Level = MACHINE) -> bool:
    """Has this person staged something?"""
    return desk.configuration is not None and desk.configuration.staged(person.name, level) is not None


@command("clear-changes", Permission.CONFIGURE)
async def clear_changes(desk: Desk, person: Person, level: Level = MACHINE) -> bool:
    """What this person has staged is dropped; False: there was nothing."""
    with refusing():
        return await desk.configured().clear(person.name, level)


@command("check-changes", Permission.SETTINGS)
async def check_changes(desk: Desk, person: Person, level: Level = MACHINE) -> list[Problem]:
    """What would make `commit` refuse."""
    with refusing():
        return desk.configured().check(desk.configured().merged(person.name, level), level)


@command("commit", Permission.CONFIGURE)
async def commit(
    desk: Desk, person: Person, comment: str = "", level: Level = MACHINE, *, offered: bool = True
) -> Commit:
    """What this person has staged is checked whole, in force, and in the history; `offered`: for a roll-back, too."""
    staged = desk.configured().staged(person.name, level)
    if staged is None:
        return Commit(desk.clock.now_ms(), (), nothing=True)
    _check_role(person, staged.base, staged.text)
    told = _comment(comment)
    with refusing():
        done = await desk.configured().commit(person.name, Change(person.name, told, offered=offered), level)
    desk.telemetry.emit(log.Note(message=f"PID {os.getpid()}: User {person.name} commit changes: {told}"))
    return Commit(done.at_ms, done.restart)


@command("configuration-history", Permission.SETTINGS)
async def history(desk: Desk, person: Person, level: Level = MACHINE) -> tuple[Version, ...]:
    """The configurations that were committed, the newest first; that one is in force."""
    return desk.configured().history(level)


@command("roll-back", Permission.CONFIGURE)
async def roll_back(desk: Desk, person: Person, number: int, level: Level = MACHINE) -> Version:
    """A configuration of the history is staged, in place of all that was."""
    found = [version for version in desk.configured().history(level) if version.number == number]
    if not found:
        raise CommandRefused(Why.NOT_FOUND, f"there is no configuration {number} in the history")
    with refusing():
        text = desk.configured().version(number, level)
    await edit(desk, person, (Replace(text),), level)
    return found[0]


@command("save-configuration", Permission.CONFIGURE)
async def save(desk: Desk, person: Person, level: Level = MACHINE) -> Path:
    """The committed text into a new file of the appliance. Keys and pass phrases are not in it; they lie elsewhere."""
    with refusing():
        path = await desk.configured().save(_committed(desk, level))
    await desk.store.submit(Record((audit(person, "save-configuration", detail=json.dumps({"file": path.name})),)))
    return path


@command("saved-configurations", Permission.SETTINGS)
async def saved(desk: Desk, person: Person) -> tuple[str, ...]:
    """Names of the files that `load_saved` can read."""
    return desk.configured().saved()


@command("read-file", Permission.CONFIGURE)
async def read_file(desk: Desk, person: Person, name: str) -> str:
    """The text of a file in the directory of saved configurations."""
    with refusing():
        return desk.configured().load(name)


@command("write-file", Permission.CONFIGURE)
async def write_file(desk: Desk, person: Person, name: str, text: str) -> Path:
    """A text into a file of that directory; one of that name is replaced."""
    with refusing():
        path = await desk.configured().keep(name, text)
    await desk.store.submit(Record((audit(person, "write-file", detail=json.dumps({"file": path.name})),)))
    return path


@command("load-saved-configuration", Permission.CONFIGURE)
async def load_saved(desk: Desk, person: Person, name: str, level: Level = MACHINE) -> None:
    """A saved file is staged, in place of all that was."""
    with refusing():
        text = desk.configured().load(name)
    await load_text(desk, person, text, level)


@command("load-configuration", Permission.CONFIGURE)
async def load_text(desk: Desk, person: Person, text: str, level: Level = MACHINE) -> None:
    """A text is staged, in place of all that was. Who this appliance is stays as it is."""
    with refusing():
        own = desk.configured().adopted(text)
    await edit(desk, person, (Replace(own),), level)


@command("reset-configuration", Permission.ADMINISTER)
async def reset(desk: Desk, person: Person) -> None:
    """The configuration that `pratique init` would write is staged; name, serial number and ports stay."""
    await edit(desk, person, (Replace(desk.configured().initial()),))


@command("reload", Permission.CONFIGURE)
async def reload(desk: Desk, person: Person) -> Done:
    """The file of the configuration, as a person edited it, is in force; logs are opened anew."""
    with refusing():
        return await desk.configured().reload(person.name)


@contextmanager
def refusing() -> Iterator[None]:
    """What the appliance refuses becomes a refusal of the command, each problem on a line of its own."""
    try:
        yield
    except NotConfigured as error:
        told = "\n".join((str(error), *map(str, error.problems)))
        raise CommandRefused(Why.CONFLICT if error.conflict else Why.INVALID, told) from error
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the disk refused: {error.strerror}; the log says more") from error


def _committed(desk: Desk, level: Level) -> str:
    with refusing():
        return desk.configured().committed(level)


def _comment(text: str) -> str:
    if len(text) > COMMENT_CHARS_MAX:
        raise CommandRefused(Why.INVALID, f"a comment has at most {COMMENT_CHARS_MAX} characters")
    return " ".join(log_text(text).split())


def _check_role(person: Person, before: str, after: str) -> None:
    if may(person, Permission.ADMINISTER):
        return
    try:
        sections = {key[0] for key in changes(before, after)}
    except tomllib.TOMLDecodeError:
        sections = set(ADMINISTRATORS)
    if held := sorted(sections & ADMINISTRATORS):
        told = ", ".join(f"[{section}]" for section in held)
        raise CommandRefused(Why.FORBIDDEN, f"only an administrator changes {told}")
