"""A line of the operators' command line becomes a call, or a refusal that says what to do."""

from collections.abc import Iterator

import pytest

from pratique.console.access.roles import Permission, Person
from pratique.console.verbs.verb import VERBS, Call, NoAnswer, Usage, commands_of, perform, prompt_of, verb


class Deaf:
    """Nobody answers; what was said is kept."""

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


class GatewayDesk:
    role = "gateway"


ADMIN = Person("admin", "administrator", "password")
GUEST = Person("eve", "guest", "password")


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    before = dict(VERBS)
    yield
    VERBS.clear()
    VERBS.update(before)


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("", []),
        ("tophosts", [["tophosts"]]),
        ("tophosts; hoststatus the.cpq.host", [["tophosts"], ["hoststatus", "the.cpq.host"]]),
        ("a;b;;c ; ", [["a"], ["b"], ["c"]]),
        ('grep "CPQ ICID" mail_logs', [["grep", "CPQ ICID", "mail_logs"]]),
        ("grep 'a;b#c' mail_logs # no comment", [["grep", "a;b#c", "mail_logs", "#", "no", "comment"]]),
    ],
)
def test_words_of_a_line(line: str, commands: list[list[str]]) -> None:
    assert commands_of(line) == commands


def test_an_open_quote_is_refused_with_its_cure() -> None:
    with pytest.raises(Usage, match="quote texts"):
        commands_of('grep "CPQ')


@pytest.mark.parametrize(
    ("question", "default", "secret", "shown"),
    [
        ("Which host?", "all", False, "Which host?\n[all]> "),
        ("", "1", False, "[1]> "),
        ("Are you sure? [N]>", "N", False, "Are you sure? [N]> "),
        ("Pass phrase:", "", True, "Pass phrase: "),
    ],
)
def test_a_question_shows_what_an_empty_line_means(question: str, default: str, secret: bool, shown: str) -> None:
    assert prompt_of(question, default, secret=secret) == shown


async def test_an_unknown_command_is_named_escaped() -> None:
    talk = Deaf()
    assert await perform(GatewayDesk(), ADMIN, ["\x1b[2Jx"], talk) == 2
    assert talk.complaints == ["Unknown command: '\\x1b[2Jx'. `help` lists those that there are."]


async def test_a_verb_of_the_other_role_is_unknown_here() -> None:
    @verb("mgr", None, places=frozenset({"manager"}))
    async def mgr(call: Call) -> None:
        """Of a manager."""

    assert await perform(GatewayDesk(), ADMIN, ["mgr"], Deaf()) == 2


async def test_a_role_without_the_permission_is_refused_before_the_verb_runs() -> None:
    ran = []

    @verb("hosts", Permission.STATUS)
    async def hosts(call: Call) -> None:
        """Hosts."""
        ran.append(call.json)
        call.give({"n": 1}, lambda: "one")

    talk = Deaf()
    assert await perform(GatewayDesk(), GUEST, ["hosts"], talk) == 1
    assert (ran, talk.complaints) == ([], ["hosts: the role guest may not do this."])
    assert await perform(GatewayDesk(), ADMIN, ["HOSTS", "--json"], talk) == 0
    assert await perform(GatewayDesk(), ADMIN, ["hosts"], talk) == 0
    assert talk.said == ['{"n": 1}', "one"]


async def test_a_question_that_nobody_answers_names_the_words_to_give() -> None:
    @verb("drop", None, usage="drop HOST yes")
    async def drop(call: Call) -> None:
        """Drop."""
        await call.word(0, "Which host?")
        await call.word(1, "Sure?", "N")

    talk = Deaf()
    assert await perform(GatewayDesk(), ADMIN, ["drop", "a.example"], talk) == 2
    assert talk.complaints == ["drop: Sure?\nNobody can answer here; give the answer with the command: drop HOST yes"]
