"""One line: its commands in order, the status of the first that failed, and who acts asked anew before each."""

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignInRefused
from pratique.console.verbs.line import LINE_CHARS_MAX, run_line
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import Hearing

ADMIN = Person("admin", "administrator", "password")


async def test_all_commands_are_tried_and_the_first_failure_counts(logged: Logged) -> None:
    talk = Hearing()
    outcome = await run_line(logged.desk, lambda: ADMIN, "grep x nolog; nix; whoami", talk)
    assert (outcome.status, outcome.ended) == (1, False)
    assert talk.text.startswith("User: admin") and len(talk.complaints) == 2


async def test_exit_ends_the_session_wherever_it_stands(logged: Logged) -> None:
    talk = Hearing()
    outcome = await run_line(logged.desk, lambda: ADMIN, "whoami; EXIT; version", talk)
    assert outcome.ended and len(talk.said) == 1


async def test_who_was_shut_out_between_two_commands_does_only_the_first(logged: Logged) -> None:
    people = iter([ADMIN])

    def who() -> Person:
        for person in people:
            return person
        raise SignInRefused

    talk = Hearing()
    outcome = await run_line(logged.desk, who, "whoami; version; help", talk)
    assert (outcome.status, outcome.ended, len(talk.said)) == (1, True, 1)
    assert talk.complaints == ["Your sign-in is no longer valid; sign in again."]


async def test_a_line_without_end_is_not_parsed(logged: Logged) -> None:
    talk = Hearing()
    outcome = await run_line(logged.desk, lambda: ADMIN, "x;" * LINE_CHARS_MAX, talk)
    assert outcome.status == 2 and len(talk.complaints) == 1
