"""destconfig: by dialogue and by words."""

import json

from tests.console.verbs.configured import READER, Configured

STAGED = 'Staged; "commit" puts it in force.'


async def test_entries_are_made_changed_and_removed(gw: Configured) -> None:
    heard = await gw.asked("destconfig", "new", "b.example", "3", "", "must")
    assert heard.complaints == [] and heard.said[-1] == STAGED
    await gw.do("destconfig new .c.example 2 10 no")
    await gw.do("destconfig new [192.0.2.1] 0")
    await gw.do("destconfig edit B.example 4")
    await gw.do("destconfig edit .c.example 2 0 may")
    assert await gw.do("destconfig list") == (
        "Default: 20 connections, TLS may\nCurrently configured destinations:\n"
        "1. b.example: 4 connections, any number of messages, TLS must\n"
        "2. .c.example: 2 connections, any number of messages, TLS may\n"
        "3. [192.0.2.1]: default connections, any number of messages, TLS default"
    )
    assert await gw.do("destconfig delete [192.0.2.1]", "n") == ""
    await gw.do("destconfig delete 3 yes")
    await gw.do("commit limits")
    assert json.loads(await gw.do("destconfig --json")) == [
        {"name": "b.example", "connections_max": 4, "messages_max": 0, "tls": "must"},
        {"name": ".c.example", "connections_max": 2, "messages_max": 0, "tls": "may"},
    ]
    assert '[[delivery.destinations]]\nname = "b.example"' in gw.text
    assert "already" in await gw.refused("destconfig new B.EXAMPLE 1")


async def test_the_default_is_changed(gw: Configured) -> None:
    await gw.do("destconfig default 7 must")
    assert (await gw.do("destconfig list")).startswith("Default: 7 connections, TLS must\n")
    assert await gw.do("deliveryconfig list") == "Default interface to deliver mail: Auto\nTLS: must"


async def test_what_means_nothing_is_refused(gw: Configured) -> None:
    assert "delivery.destinations.0.tls" in await gw.refused("destconfig new b.example 1 0 perhaps")
    assert "connections_max" in await gw.refused("destconfig new b.example many")
    assert "may not" in await gw.refused("destconfig new b.example 1", person=READER)
    for name in ("the.cpq.host", "b_@x", "[192.0.2]"):
        await gw.do(f"destconfig new {name} 1")
        assert "delivery.destinations.0.name" in await gw.refused("commit bad")
        await gw.do("clearchanges yes")
    await gw.do("destconfig new b.example 1; destconfig new B.example. 2")
    assert "as that of another one is" in await gw.refused("commit twice")
