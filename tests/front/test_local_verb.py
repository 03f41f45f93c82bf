"""A line of the command line on the machine itself: what it says, what it complains of, and its exit status."""

from pratique.front.local_verb import spoken
from tests.console.verbs.queue_world import ADMIN, World


async def test_commands_of_a_line_are_done_in_order_and_the_first_failure_is_the_status() -> None:
    world = World("gateway")
    found = await spoken(world.desk, ADMIN, "oldmessage; hoststatus a.example; resumedel")
    assert (found["status"], found["text"]) == (1, "No messages.\nMail delivery resumed.")
    assert found["errors"].startswith("hoststatus: nothing waits for 'a.example'")
    assert len(world.queues.applied) == 1


async def test_nobody_answers_and_a_live_display_ends_at_once() -> None:
    world = World("gateway")
    assert (await spoken(world.desk, ADMIN, "removemessage"))["status"] == 2
    assert (await spoken(world.desk, ADMIN, "rate"))["text"].count("03:13:20") == 1


async def test_an_open_quote_is_misuse() -> None:
    found = await spoken(World("gateway").desk, ADMIN, "showrecipients 'all")
    assert (found["status"], found["text"]) == (2, "")
    assert "quote texts" in found["errors"]
