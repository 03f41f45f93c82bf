"""get, set, unset, add: any option by its key, staged."""

import json

import pytest

from tests.console.verbs.configured import Configured

STAGED = 'Staged; "commit" puts it in force.'


async def test_get_shows_what_is_staged_and_defaults(gw: Configured) -> None:
    assert await gw.do("get gateway.listeners.InboundMail.port") == "gateway.listeners.InboundMail.port = 2525"
    assert json.loads(await gw.do("get log --json"))["log.keep_files"] == 10
    await gw.do("set log.keep_files 7")
    assert await gw.do("get log.keep_files") == "log.keep_files = 7"
    every = json.loads(await gw.do("get --json"))
    assert every["gateway.listeners.InboundMail.recipients.0.match"] == "here.example"
    assert "appliance.serial" in every and len(every) > 50
    assert "no option 'log.nothing'" in await gw.refused("get log.nothing")


async def test_a_table_of_an_array_comes_and_goes(gw: Configured) -> None:
    assert await gw.do("add gateway.listeners.InboundMail.recipients match=b.example action=REJECT") == STAGED
    rows = json.loads(await gw.do("get gateway.listeners.InboundMail.recipients --json"))
    assert rows["gateway.listeners.InboundMail.recipients.1.action"] == "REJECT"
    await gw.do("unset gateway.listeners.InboundMail.recipients.0")
    rows = json.loads(await gw.do("get gateway.listeners.InboundMail.recipients --json"))
    assert list(rows.values()) == ["b.example", "REJECT"]
    await gw.do("commit rows")
    assert 'match = "b.example"' in gw.text and "here.example" not in gw.text


async def test_an_option_goes_back_to_its_default(gw: Configured) -> None:
    await gw.do("unset web.port; commit default")
    assert "#port = 443" in gw.text
    assert "has its default" in await gw.refused("unset web.port")


async def test_to_set_back_what_was_staged_leaves_nothing_staged(gw: Configured) -> None:
    await gw.do("set web.port 9443; set web.port 8443")
    assert await gw.do("commit x") == "There are no changes to commit."


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("set web.port", "a key and a value"),
        ("set web.port eighty", "write a whole number"),
        ("set listeners.0.port 25", "is no option"),
        ("add web port=1", "no array of tables"),
        ("add gateway.listeners port", "option=value"),
        ("unset gateway.listeners.None", "there is no 'None'"),
        ("get a b", "one key"),
    ],
)
async def test_what_cannot_be_done_is_said(gw: Configured, line: str, why: str) -> None:
    assert why in await gw.refused(line)
