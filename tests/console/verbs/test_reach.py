"""telnet and nslookup: what the appliance reaches, and the cure where it does not."""

import json
import socket
from dataclasses import replace

import pytest

from pratique.console.access.roles import Person
from pratique.console.commands import reach
from pratique.net.resolver import LookupFailed, NoSuchDomain
from tests.console.verbs.queue_world import World
from tests.net.test_probe import port_that_says


async def test_an_open_port_shows_its_greeting() -> None:
    async with port_that_says(b"220 sma.example ESMTP\r\n") as port:
        world = World("gateway")
        assert await world.said(f"telnet 127.0.0.1 {port}") == (
            f"Trying 127.0.0.1 port {port}...\nConnected to 127.0.0.1.\n220 sma.example ESMTP\nConnection closed."
        )
        found = json.loads(await world.said(f"telnet 127.0.0.1 {port} --json"))
    assert found == {"host": "127.0.0.1", "port": port, "greeting": "220 sma.example ESMTP", "failed": ""}


async def test_what_the_other_side_says_drives_no_terminal() -> None:
    async with port_that_says(b"220 \x1b[2Jx\r\n") as port:
        assert "\x1b" not in await World("gateway").said(f"telnet 127.0.0.1 {port}")


async def test_a_closed_quarantine_port_names_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        monkeypatch.setattr("pratique.console.verbs.reach.CPQ_PORT", port)
        status, talk = await World("gateway").run(f"telnet 127.0.0.1 {port}")
    assert status == 1
    assert "refused" in talk.complaints[0] and "(cpq.port)" in talk.complaints[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("telnet 127.0.0.1 0", "a port is a number"),
        ("telnet 127.0.0.1 70000", "a port is a number"),
        ("telnet 127.0.0.1 smtp", "a host and a port"),
        ("telnet a b c", "a host and a port"),
        ("telnet 'a b'", "a host is a name"),
        ("telnet é", "a host is a name"),
        (f"nslookup {'a' * 256}", "a host is a name"),
        ("nslookup a.example ANY", "no type 'ANY'"),
    ],
)
async def test_what_cannot_be_meant_is_refused(line: str, why: str) -> None:
    assert why in await World("gateway").refused(line)


async def test_who_may_not_see_the_state_of_the_system_reaches_nothing() -> None:
    assert "may not do this" in await World("manager").refused("telnet 127.0.0.1 25", Person("g", "guest", "password"))


async def test_names_are_asked_for_and_a_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Names:
        def __init__(self, nameservers: tuple[str, ...]) -> None:
            assert nameservers == ("192.0.2.53",)

        async def records(self, name: str, kind: str) -> list[str]:
            if name == "none.example":
                raise NoSuchDomain("none.example does not exist")
            if name == "dead.example":
                raise LookupFailed("A of dead.example: timeout")
            return ["10 mx.example."] if kind == "MX" else []

    monkeypatch.setattr(reach, "Resolver", Names)
    world = World("gateway")
    world.desk = replace(world.desk, nameservers=("192.0.2.53",))
    assert await world.said("nslookup a.example mx") == "MX=10 mx.example."
    assert await world.said("nslookup a.example") == "No A record for a.example."
    assert json.loads(await world.said("nslookup a.example MX --json"))["records"] == ["10 mx.example."]
    assert "does not exist" in await world.refused("nslookup none.example A")
    assert "name servers" in await world.refused("nslookup dead.example A")
