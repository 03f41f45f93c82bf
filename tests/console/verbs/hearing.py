"""Who listens to a verb in a test: answers from a list, and everything that was said."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.console.verbs.line import run_line
from pratique.console.verbs.verb import NoAnswer, load_verbs

load_verbs()  # before a fixture remembers the registry


@dataclass
class Hearing:
    """`pauses`: what is done at each wait of a live display; it ends with the list."""

    answers: list[str] = field(default_factory=list)
    pauses: list[Callable[[], object]] = field(default_factory=list)
    width: int = 80
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        (self.secrets if secret else self.asked).append(question)
        if not self.answers:
            raise NoAnswer(question)
        return self.answers.pop(0)

    async def pause(self, seconds: float) -> bool:
        if seconds == 0:
            return True
        if not self.pauses:
            return False
        self.pauses.pop(0)()
        return True

    @property
    def text(self) -> str:
        return "\n".join(self.said)


async def hear(
    desk: Desk, person: Person, line: str, *answers: str, talk: Hearing | None = None
) -> tuple[Hearing, int]:
    """Do a line; what was heard and its exit status."""
    heard = talk or Hearing()
    heard.answers += answers
    outcome = await run_line(desk, lambda: person, line, heard)
    return heard, outcome.status
