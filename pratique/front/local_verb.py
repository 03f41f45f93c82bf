"""The operators' command line on the machine itself: one line in, what it says out. Nobody answers questions."""

from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.console.verbs.all import VERBS
from pratique.console.verbs.verb import MISUSED, NoAnswer, Usage, commands_of, perform

__all__ = ["VERBS", "spoken"]


class Gathered:
    """A Talk that keeps what is said."""

    width = 80

    def __init__(self) -> None:
        self.said: list[str] = []
        self.complaints: list[str] = []

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        raise NoAnswer(question)

    async def pause(self, seconds: float) -> bool:
        return False


async def spoken(desk: Desk, person: Person, line: str) -> dict[str, Any]:
    """{"status", "text", "errors"}; all commands are done, the status is that of the first that failed."""
    talk, status = Gathered(), 0
    try:
        for words in commands_of(line):
            done = await perform(desk, person, words, talk)
            status = status or done
    except Usage as error:
        talk.complain(str(error))
        status = MISUSED
    return {"status": status, "text": "\n".join(talk.said), "errors": "\n".join(talk.complaints)}
