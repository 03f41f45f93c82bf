"""redirectrecipients names where, asks, and is kept on record before anything moves."""

from pratique.runner.redirects import Redirect, redirects
from tests.console.verbs.queue_world import World
from tests.console.verbs.test_recipients import gateway


async def test_the_dialogue() -> None:
    world = await gateway()
    status, talk = await world.run("redirectrecipients", "1", "slow.example", "Relay.example", "y")
    assert (status, talk.complaints) == (0, [])
    assert talk.asked[2] == "Please enter the hostname or IP address of the machine you want to send them to.\n[]>"
    assert talk.asked[3].endswith('redirect all messages being delivered to "slow.example" to "Relay.example"? [N]>')
    assert talk.said == ["Redirecting messages, please wait.", "2 messages redirected."]
    rule = Redirect("relay.example:25", world.store.newest_mid(), "slow.example")
    assert redirects(world.store.view) == (rule,)
    assert world.queues.redirected == [("slow.example", None, "relay.example:25")]
    assert world.audited()[-1][:2] == ("admin", "redirect-recipients")


async def test_by_sender_and_back_to_the_usual_way() -> None:
    world = await gateway()
    await world.said("redirectrecipients sender carol@example.org [2001:db8::1]:2525 yes")
    assert world.queues.redirected[-1] == ("", frozenset({4}), "[2001:db8::1]:2525")
    await world.said("redirectrecipients all usual yes")
    assert world.queues.redirected[-1] == ("", None, "")
    assert [rule.to for rule in redirects(world.store.view)] == ["[2001:db8::1]:2525", ""]


async def test_what_cannot_be_redirected_stays() -> None:
    world = await gateway()
    assert "follows the enrolment" in await world.refused_after("redirectrecipients host the.cpq.host a.example yes")
    assert "must be a number" in await world.refused_after("redirectrecipients all a.example:0x yes")
    assert await world.said("redirectrecipients all a.example no") == "No messages redirected."
    assert (world.queues.redirected, redirects(world.store.view)) == ([], ())
    assert "Unknown command" in await World("manager").refused("redirectrecipients all a.example yes")
