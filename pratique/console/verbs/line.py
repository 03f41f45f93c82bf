"""One line of the operators' command line, whoever sent it: its commands are done in order, its exit status is that of
the first that failed. Who acts is asked anew before each command, so that a change of role or a lock-out takes effect.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignInRefused
from pratique.console.commands.configuration import has_changes
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import CommandRefused
from pratique.console.verbs.verb import FAILED, MISUSED, NoAnswer, Talk, Usage, Withdrawn, commands_of, perform
from pratique.telemetry import events as log

ENDING = ("exit", "quit")
SIGN_IN_OVER = "Your sign-in is no longer valid; sign in again."
REMINDER = "You have changes that are not committed; `showchanges` shows them."
UNCOMMITTED = """You have changes that are not committed; they stay staged for you, and are not in force.
Are you sure you want to exit?"""
LINE_CHARS_MAX = 16_384  # a few hundred MIDs in one command


@dataclass(frozen=True, slots=True)
class Outcome:
    """`ended`: the session is over."""

    status: int
    ended: bool = False


async def run_line(desk: Desk, who: Callable[[], Person], line: str, talk: Talk) -> Outcome:
    """`who` gives the person as of now, or raises SignInRefused."""
    try:
        if len(line) > LINE_CHARS_MAX:
            raise Usage(f"A line has at most {LINE_CHARS_MAX} characters")
        commands = commands_of(line)
    except Usage as error:
        talk.complain(f"{error}.")
        return Outcome(MISUSED)
    status = 0
    for words in commands:
        if words[0].lower() in ENDING:
            if await _may_leave(desk, who, talk):
                return Outcome(status, ended=True)
            continue
        try:
            done = await _one(desk, who(), words, talk)
        except SignInRefused:
            talk.complain(SIGN_IN_OVER)
            return Outcome(status or FAILED, ended=True)
        status = status or done
    return Outcome(status)


async def reminder(desk: Desk, who: Callable[[], Person]) -> str:
    """What somebody who signs in is told of his changes, "" = he has none."""
    try:
        return REMINDER if await has_changes(desk, who()) else ""
    except (SignInRefused, CommandRefused, OSError):
        return ""


async def _may_leave(desk: Desk, who: Callable[[], Person], talk: Talk) -> bool:
    """Nobody leaves changes uncommitted without having heard of it."""
    try:
        answer = await talk.ask(UNCOMMITTED, "Y") if await reminder(desk, who) else "y"
    except NoAnswer:
        return True
    except Withdrawn:
        return False
    return (answer or "y").lower() in ("y", "yes")


async def _one(desk: Desk, person: Person, words: list[str], talk: Talk) -> int:
    try:
        return await perform(desk, person, words, talk)
    except Withdrawn:
        return FAILED
    except Exception as error:  # noqa: BLE001 - a defect in one verb must not end the session without a word
        desk.telemetry.emit(log.Fault(error=f"{words[0]!a} by {person.name}: {type(error).__name__}: {error}"))
        talk.complain(f"{words[0]!a} failed; the mail log says why.")
        return FAILED
