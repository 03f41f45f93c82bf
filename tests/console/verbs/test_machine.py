"""doctor, ping and diagnostic over a machine that a test sets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.console.commands import reach
from pratique.console.commands.parts import Disk, Examined, Load
from pratique.console.verbs import alerts, machine
from pratique.console.verbs.verb import VERBS
from pratique.net.ping import PingFailed
from tests.console.verbs.queue_world import OPERATOR, World
from tests.net.test_probe import port_that_says

PAGES = Path(__file__).parents[3] / "docs" / "operate"


LOAD = Load(
    cpu=3,
    total=41,
    ram=6,
    disk=47,
    log=12,
    spool_octets=64 << 20,
    log_free=72 << 30,
    names_asked=9,
    names_cached=4,
)


class SetMachine:
    well = True
    flushed = 0

    async def examine(self) -> Examined:
        return Examined([{"name": "keys", "state": "ok"}], "OK       keys: 5 files\nall \x1b passed", self.well)

    def disks(self) -> tuple[Disk, ...]:
        return (Disk("spool", "/srv/x\x1b", 3 << 20, 1 << 30, 2 << 30),)

    def load(self) -> Load:
        return LOAD

    def flush_names(self) -> None:
        self.flushed += 1


@pytest.fixture
def world() -> World:
    made = World("gateway")
    made.machine = SetMachine()  # type: ignore[attr-defined]
    made.desk = replace(made.desk, machine=made.machine)  # type: ignore[attr-defined]
    return made


async def test_the_doctor_says_what_it_found_and_whether_all_is_well(world: World) -> None:
    text = await world.said("doctor", person=OPERATOR)
    assert text.split("\n")[1:] == ["OK       keys: 5 files", "all \\x1b passed"]
    assert json.loads(await world.said("doctor --json")) == {"checks": [{"name": "keys", "state": "ok"}]}
    world.machine.well = False  # type: ignore[attr-defined]
    status, _ = await world.run("doctor")
    assert status == 1
    assert "does not run" in await World("manager").refused_after("doctor")


async def test_ping_says_how_long_each_answer_took(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "ping", lambda address, sequence: 1.25 * sequence)
    _, talk = await world.run("ping 127.0.0.1 1")
    assert talk.text == ("127.0.0.1: icmp_seq=1 time=1.250 ms\n1 packets transmitted, 1 received, 0 % packet loss")


async def test_a_host_that_is_silent_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(address: str, sequence: int) -> float:
        raise PingFailed("no answer in 2 s")

    monkeypatch.setattr(reach, "ping", fail)
    status, talk = await world.run("ping 127.0.0.1 1 --json")
    found = json.loads(talk.text)
    assert (status, found["echoes"]) == (1, [{"sequence": 1, "ms": 0.0, "failed": "no answer in 2 s"}])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ping 127.0.0.1 0", "how often"),
        ("ping 127.0.0.1 21", "how often"),
        ("ping a b c", "how often"),
        ("ping 'a b' 1", "a host is a name"),
        ("ping no-such-host.invalid 1", "no-such-host.invalid"),
        ("diagnostic RAID", "say DISK_USAGE"),
        ("diagnostic NETWORK ARPSHOW", "say FLUSH"),
        ("diagnostic NETWORK SMTPPING 127.0.0.1 x", "a host and a port"),
        ("diagnostic NETWORK SMTPPING 127.0.0.1 0", "a port is a number"),
        ("doctor now", "no words"),
    ],
)
async def test_what_cannot_be_meant_is_refused(world: World, line: str, why: str) -> None:
    assert why in await world.refused_after(line)


async def test_the_disks_are_shown(world: World) -> None:
    lines = (await world.said("diagnostic disk_usage")).split("\n")
    assert lines[1].split() == ["spool", "3.0", "1,024", "2,048", "/srv/x\\x1b"]
    (disk,) = json.loads(await world.said("diagnostic DISK_USAGE --json"))["disks"]
    assert disk["ours"] == 3 << 20


async def test_the_cache_of_names_is_emptied_on_record(world: World) -> None:
    assert await world.said("diagnostic network flush") == "The DNS cache is empty."
    assert world.machine.flushed == 1  # type: ignore[attr-defined]
    assert [action for _, action, _, _ in world.audited()] == ["flush-names"]


async def test_a_mail_server_is_asked_without_mail(world: World) -> None:
    said = b"220 mail.example ESMTP\r\n250-mail.example\r\n250-SIZE 10\r\n250 STARTTLS\x1b\r\n"
    async with port_that_says(said, stays=True) as port:
        text = await world.said(f"diagnostic NETWORK SMTPPING 127.0.0.1 {port}")
    assert "220 mail.example ESMTP (" in text and text.endswith("  SIZE 10\n  STARTTLS\\x1b")
    async with port_that_says(b"220 x\r\n502 no\r\n", stays=True) as port:
        assert "EHLO was answered with '502 no'" in await world.refused_after(
            f"diagnostic network smtpping 127.0.0.1 {port}"
        )
    async with port_that_says(b"554 no\r\n") as port:
        assert "instead of 220" in await world.refused_after(f"diagnostic network smtpping 127.0.0.1 {port}")


@pytest.mark.parametrize(("family", "page"), [(alerts, "alerts.md"), (machine, "ssh.md")])
def test_the_pages_name_every_verb(family: object, page: str) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    own = [verb for verb in VERBS.values() if verb.run.__module__ == family.__name__]  # type: ignore[attr-defined]
    assert own
    assert [verb.name for verb in own if f"`{verb.name}" not in text] == []
