"""interfaceconfig and listenerconfig: dialogues in the shape of the reference, and the same by words."""

import json

import pytest

from tests.console.verbs.configured import READER, Configured

STAGED = 'Staged; "commit" puts it in force.'
INTERFACES = """\
Currently configured interfaces:
1. Management (127.0.0.9: mail3.example.com)
2. Data 1 (127.0.0.10)"""
MENU = """
Choose the operation you want to perform:
- NEW - Create a new interface.
- EDIT - Modify an interface.
- DELETE - Remove an interface.
[]>"""


async def test_interfaces_are_made_in_a_dialogue_and_by_words(gw: Configured) -> None:
    heard = await gw.asked("interfaceconfig", "new", "Management", "127.0.0.9", "mail3.example.com")
    assert heard.said == ["Currently configured interfaces: none", STAGED]
    assert heard.asked[0] == MENU
    assert await gw.do("interfaceconfig new 'Data 1' 127.0.0.10") == STAGED
    assert await gw.do("interfaceconfig list") == INTERFACES
    rows = json.loads(await gw.do("interfaceconfig --json", person=READER) or "[]")
    assert rows == []  # nothing is committed, and another's staging is not seen
    await gw.do("commit names")
    assert json.loads(await gw.do("interfaceconfig --json", person=READER))[1] == {
        "name": "Data 1",
        "address": "127.0.0.10",
        "hostname": "",
    }


async def test_an_interface_is_changed_and_deleted(gw: Configured) -> None:
    await gw.do("interfaceconfig new Management 127.0.0.9")
    await gw.do("interfaceconfig edit Management 127.0.0.11 h.example")
    assert "Management (127.0.0.11: h.example)" in await gw.do("interfaceconfig list")
    assert await gw.do("interfaceconfig delete 1", "n") == ""
    assert await gw.do("interfaceconfig delete 1 yes") == STAGED
    assert await gw.do("interfaceconfig list") == "Currently configured interfaces: none"


async def test_a_name_in_use_cannot_go_and_an_unknown_one_cannot_be_used(gw: Configured) -> None:
    await gw.do("interfaceconfig new Management 127.0.0.9; set cpq.interface Management; commit named")
    await gw.do("interfaceconfig new Other 127.0.0.10; interfaceconfig delete Management yes")
    told = await gw.refused("commit gone")
    assert 'cpq.interface is "Management", and there is no such interface' in told and '"Other"' in told
    await gw.do("clearchanges yes; set gateway.listeners.InboundMail.interface Managment")
    assert "there is no such interface" in await gw.refused("commit typo")


async def test_only_who_may_change_changes(gw: Configured) -> None:
    assert "may not do this" in await gw.refused("interfaceconfig new A 127.0.0.9", person=READER)


async def test_listeners_are_shown_made_changed_and_removed(gw: Configured) -> None:
    shown = await gw.do("listenerconfig list")
    assert shown == "Currently configured listeners:\n1. InboundMail (on 0.0.0.0) SMTP Port 2525 Public"
    await gw.do("interfaceconfig new Management 127.0.0.9")
    heard = await gw.asked("listenerconfig", "NEW", "Out", "private", "Management", "2526")
    assert heard.complaints == [] and heard.said[-1] == STAGED
    await gw.do("listenerconfig new In2 public 127.0.0.10 2527 b.example,.c.example")
    shown = await gw.do("listenerconfig list")
    assert "2. Out (on Management, 127.0.0.9) SMTP Port 2526 Private" in shown
    assert "3. In2 (on 127.0.0.10) SMTP Port 2527 Public" in shown
    await gw.do("listenerconfig edit In2 port 2528")
    heard = await gw.asked("listenerconfig edit Out", "tls", "must")
    assert 'name = "Out"' in heard.asked[0]
    await gw.do("listenerconfig delete InboundMail yes")
    told = await gw.do("commit listeners")
    assert "gateway.listeners.InboundMail goes" in told and "gateway.listeners.Out comes" in told
    assert [line for line in gw.text.splitlines() if line.startswith("match = ")] == [
        'match = "b.example"',
        'match = ".c.example"',
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("listenerconfig new InboundMail public 127.0.0.1 25", "already"),
        ("listenerconfig new A secret 127.0.0.1 25", "write one of public, private"),
        ("listenerconfig new A public 127.0.0.1 port x", "write a whole number"),
        ("listenerconfig edit None port 1", "there is no 'None' in the list"),
        ("listenerconfig edit 1 nothing 1", "'nothing' is not known"),
        ("listenerconfig move", "there are: LIST, NEW, EDIT, DELETE"),
        ("interfaceconfig edit 1 x", "there is none yet"),
    ],
)
async def test_what_cannot_be_done_is_said(gw: Configured, line: str, why: str) -> None:
    assert why in await gw.refused(line)
