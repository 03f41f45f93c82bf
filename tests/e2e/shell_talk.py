"""`pratique shell` at a terminal of a test's: lines, and answers to what is asked."""

from dataclasses import dataclass, field

from pratique.front.shell import Console, shell
from tests.e2e.world import Appliance


@dataclass
class Typist(Console):
    """Answers in order; secrets from a list of their own."""

    answers: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    interactive: bool = True

    def __post_init__(self) -> None:
        return  # no terminal of this process is looked at

    def size(self) -> tuple[int, int]:
        return 80, 0

    def line(self, prompt: str) -> str:
        self.shown.append(prompt)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    def secret(self, prompt: str) -> str:
        self.shown.append(prompt)
        return self.secrets.pop(0)

    def write(self, text: str) -> None:
        self.shown.append(text)

    def complain(self, text: str) -> None:
        self.shown.append(text)


def typed(appliance: Appliance, line: str, *answers: str, secrets: tuple[str, ...] = ()) -> tuple[str, int]:
    """What was shown, and the exit status."""
    typist = Typist(answers=list(answers), secrets=list(secrets))
    status = shell(appliance.directory, line, typist)
    return "".join(typist.shown), status


def does(appliance: Appliance, line: str, *answers: str, secrets: tuple[str, ...] = ()) -> str:
    shown, status = typed(appliance, line, *answers, secrets=secrets)
    assert status == 0, shown
    return shown
