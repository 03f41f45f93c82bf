"""What a verb of the operators' command line is, the registry of all of them, and how a line of words becomes a call.

A verb takes words, calls commands of console.commands, and says lines; it decides nothing itself. Who listens (a
terminal over SSH, one command over SSH, the machine's own socket) is a Talk. What came from mail goes through
`mail.text.log_text` before a verb says it.
"""

import importlib
import json
import pkgutil
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pratique.config.level import MACHINE, Kind, Level
from pratique.console.access.roles import APPLIANCE, Permission, Person, may
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import CommandRefused
from pratique.console.verbs.inheritance import inheritance_note

__all__ = [
    "BOTH",
    "FAILED",
    "GATEWAY",
    "MANAGER",
    "MISUSED",
    "VERBS",
    "Call",
    "NoAnswer",
    "Talk",
    "Usage",
    "Verb",
    "Withdrawn",
    "commands_of",
    "load_verbs",
    "perform",
    "prompt_of",
    "usable",
    "verb",
]

GATEWAY = frozenset({"gateway"})
MANAGER = frozenset({"manager"})
BOTH = GATEWAY | MANAGER

DONE, FAILED, MISUSED = 0, 1, 2  # what a command over SSH exits with


OF_CLUSTER = frozenset({"clusterconfig", "clustercheck"})
OF_MACHINE = frozenset(
    {
        *(
            "archivemessage",
            "bouncerecipients",
            "deleterecipients",
            "delivernow",
            "diagnostic",
            "doctor",
        ),
        *(
            "findevent",
            "grep",
            "hostrate",
            "hoststatus",
            "interfaceconfig",
            "loadconfig",
        ),
        *(
            "oldmessage",
            "ping",
            "rate",
            "redirectrecipients",
            "reload",
            "removemessage",
        ),
        *(
            "resetconfig",
            "resetcounters",
            "resume",
            "resumedel",
            "resumelistener",
            "rollovernow",
        ),
        *(
            "showmessage",
            "showrecipients",
            "smaconfig",
            "status",
            "suspend",
            "suspenddel",
        ),
        *(
            "suspendlistener",
            "tail",
            "tophosts",
            "topin",
            "trace",
            "workqueue",
        ),
    }
)


class NoAnswer(Exception):
    """A question was asked where nobody answers; its words must be given with the command."""


class Withdrawn(Exception):
    """Whoever was asked would rather not: Ctrl-C in a dialogue. The verb ends with what it has done so far."""


class Usage(Exception):
    """The words cannot be used; the text says why. The verb's usage is shown with it."""


class Talk(Protocol):
    """Who listens."""

    @property
    def width(self) -> int:
        """Columns; 80 where there is no terminal."""
        ...

    def say(self, text: str = "") -> None:
        """One or more whole lines; a pager may stand between."""
        ...

    def complain(self, text: str) -> None:
        """An error; where there are two streams it goes to the second."""
        ...

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        """One line. Raises NoAnswer where nobody can answer, Withdrawn when somebody could and left the dialogue."""
        ...

    async def pause(self, seconds: float) -> bool:
        """Lets what was said go out, then waits; False when the listener ended it (Ctrl-C) or left. 0: a pager may
        stand between; more: a live display, which no pager stops."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """`words` are those behind the verb, options taken out: `json` was among them. `level`: whose configuration is
    shown and changed."""

    desk: Desk
    person: Person
    words: tuple[str, ...]
    json: bool
    talk: Talk
    level: Level = MACHINE

    async def word(self, number: int, question: str, default: str = "") -> str:
        """The word at `number`, or the answer to the question: every dialogue takes its answers as words as well."""
        if number < len(self.words):
            return self.words[number]
        return await self.talk.ask(question, default) or default

    async def operation(self, menu: str) -> str:
        """What is chosen behind a list that was just shown, in capitals; "" where nobody answers: the list is all."""
        try:
            return (await self.talk.ask(menu)).upper()
        except NoAnswer:
            return ""

    def give(self, data: Any, text: Callable[[], str]) -> None:
        """A listing, as one line of JSON or as text."""
        self.talk.say(json.dumps(data, ensure_ascii=True) if self.json else text())


Run = Callable[[Call], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """`places`: the roles of appliance that have it. `permission` None: everybody who is signed in."""

    name: str
    permission: Permission | None
    places: frozenset[str]
    summary: str
    usage: str
    run: Run


VERBS: dict[str, Verb] = {}


def verb(
    name: str, permission: Permission | None, *, places: frozenset[str] = BOTH, usage: str = ""
) -> Callable[[Run], Run]:
    """Enter a function into the registry. Its docstring is the verb's help; the first line is its summary."""

    def enter(run: Run) -> Run:
        assert name not in VERBS, f"two verbs are called {name}"
        assert run.__doc__, f"the verb {name} has no description"
        VERBS[name] = Verb(name, permission, places, run.__doc__.strip().split("\n")[0], usage or name, run)
        return run

    return enter


def prompt_of(question: str, default: str, *, secret: bool = False) -> str:
    """A question as it stands before the cursor: the answer that an empty line gives comes in brackets, unless the
    question has them already."""
    if secret or question.endswith(">"):
        return f"{question} "
    return f"{question}\n[{default}]> " if question else f"[{default}]> "


def load_verbs() -> None:
    """Import every family of verbs, so that the registry is whole."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def usable(desk: Desk, person: Person) -> dict[str, Verb]:
    """The verbs that this person may use on this appliance, by name, in order."""
    return {name: found for name, found in sorted(VERBS.items()) if desk.role in found.places and _may(person, found)}


def _may(person: Person, found: Verb) -> bool:
    """Another appliance has only what is meant for it, not even what everybody has who is signed in."""
    if found.permission is None:
        return person.role != APPLIANCE
    return may(person, found.permission)


def commands_of(line: str) -> list[list[str]]:
    """The words of each command of a line; commands are joined with `;`. Raises Usage on an open quote."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word and not word.strip(";"):
                found.append([])
            else:
                found[-1].append(word)
    except ValueError as error:
        raise Usage(f"{error}; quote texts that hold spaces, quotes or semicolons") from error
    return [words for words in found if words]


async def in_mode(desk: Desk, name: str, talk: Talk) -> bool:
    """Commands that are of one machine, or of the cluster, say so in another mode and offer to switch. Where nobody can
    answer, those of the cluster run, for they are the same in every mode; those of a machine do not."""
    kind = Kind.CLUSTER if name in OF_CLUSTER else Kind.MACHINE if name in OF_MACHINE else None
    if kind is None or desk.clusters is None or desk.clusters.membership is None or kind is desk.mode.level.kind:
        return True
    warning = f'This command is restricted to "{kind}" mode.'
    try:
        answer = await talk.ask(f'{warning} Would you like to switch to "{kind}" mode? [Y]>', "Y")
    except NoAnswer:
        if kind is Kind.MACHINE:
            talk.complain(f"{name}: {warning} `clustermode machine` switches.")
        return kind is Kind.CLUSTER
    if (answer or "y").lower() not in ("y", "yes"):
        return False
    desk.mode.level = Level(kind)
    return True


async def perform(desk: Desk, person: Person, words: list[str], talk: Talk) -> int:
    """One command; its exit status. A refusal is said, not raised."""
    name = words[0].lower()
    found = VERBS.get(name)
    if found is None or desk.role not in found.places:
        talk.complain(f"Unknown command: {words[0]!a}. `help` lists those that there are.")
        return MISUSED
    if not _may(person, found):
        talk.complain(f"{name}: the role {person.role} may not do this.")
        return FAILED
    rest = tuple(w for w in words[1:] if w != "--json")
    try:
        if not await in_mode(desk, name, talk):
            return FAILED
        if note := await inheritance_note(desk, person, name, rest):
            talk.complain(note)
        return await found.run(Call(desk, person, rest, len(rest) < len(words) - 1, talk)) or DONE
    except Usage as error:
        talk.complain(f"{name}: {error}\nUsage: {found.usage}")
        return MISUSED
    except NoAnswer as error:
        talk.complain(f"{name}: {error}\nNobody can answer here; give the answer with the command: {found.usage}")
        return MISUSED
    except CommandRefused as refused:
        talk.complain(f"{name}: {refused.text}")
        return FAILED
