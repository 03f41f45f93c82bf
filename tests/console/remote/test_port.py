"""A console process that was captured: what it may say, it says for nobody; what it may not say ends it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import msgspec
import pytest

from pratique.console.access.roles import Person
from pratique.console.commands import credentials
from pratique.console.commands.desk import COMMANDS
from pratique.console.remote import port as module
from pratique.console.remote import wire
from pratique.console.remote.calls import OFFERED, shape_of
from pratique.console.remote.reception import LocalReception
from pratique.console.rest.routes import ROUTES, TOP_ROUTES
from pratique.store.moves import PutUser
from tests.console.remote.wired import Wired, wired
from tests.console.rest_world import PASSWORD, RestWorld, open_world
from tests.console.ssh.house import rest_signin
from tests.console.test_key_proof import line_of, proof_of
from tests.front.pair import until

OPERATOR = Person("operator", "operator", "password")
AT = "192.0.2.9"


@dataclass
class Captured:
    rest: RestWorld
    wired: Wired
    notes: list[tuple[str, str, str]]

    async def ask(self, make: Callable[[int], Any]) -> tuple[str, bytes]:
        """Say it and hear how it ended."""
        await self.wired.raw.send(make(7))
        octets = b""
        while (frame := await self.wired.raw.next()) is not None:
            said = wire.to_console.decode(frame)
            if isinstance(said, wire.Piece):
                octets += said.octets
            elif isinstance(said, wire.Answered):
                return said.failure, octets + said.octets
        raise AssertionError("it was cut off")

    async def asked(self, kind: type[Any], make: Callable[[int], Any]) -> Any:
        failure, octets = await self.ask(make)
        assert failure == "", (failure, octets)
        return msgspec.msgpack.decode(octets, type=kind)

    async def rest_ticket(self, user: str = "administrator") -> str:
        found = await self.asked(wire.Signed, lambda n: wire.SignIn(n, user, PASSWORD, "", AT, False))
        return str(found.ticket)

    async def ssh_ticket(self, user: str = "administrator") -> str:
        found = await self.asked(wire.Stepped, lambda n: wire.Passphrase(n, user, PASSWORD, AT))
        assert await self.ask(lambda n: wire.Enter(n, found.ticket)) == ("", b"")
        return str(found.ticket)


@pytest.fixture
async def captured(tmp_path: Path) -> AsyncIterator[Captured]:
    rest = await open_world(tmp_path)
    notes: list[tuple[str, str, str]] = []
    signin = rest_signin(rest)
    reception = LocalReception(rest.desk, signin, note=lambda *said: notes.append(said))
    async with wired(rest.desk, signin, reception, read=False) as made:
        yield Captured(rest, made, notes)
    await rest.close()


def health(ticket: str) -> Callable[[int], wire.Run]:
    return lambda n: wire.Run(n, ticket, "health", shape_of("health").pack((), {}))


# --- what is offered
def test_what_is_offered_is_what_the_rest_api_calls_and_nothing_else() -> None:
    called = {name for route in (*ROUTES, *TOP_ROUTES) for name in route.commands}
    assert called == OFFERED
    assert COMMANDS.keys() > OFFERED


@pytest.mark.parametrize(
    "name", ["add-user", "reset-password", "read-file", "write-file", "establish-connection", "no-such", ""]
)
async def test_a_command_that_is_not_offered_is_refused_to_an_administrator_too(captured: Captured, name: str) -> None:
    ticket = await captured.rest_ticket()
    assert (await captured.ask(lambda n: wire.Run(n, ticket, name, b"\x90")))[0] == "defect"
    assert "asked for what it may not" in captured.wired.faults[0]


@pytest.mark.parametrize(
    "arguments",
    [
        b"",
        b"\x90",
        msgspec.msgpack.encode(("1", "Policy")),
        msgspec.msgpack.encode(([1], ["Policy"])),
        msgspec.msgpack.encode((["1"], "Policy")),
        msgspec.msgpack.encode(([1], "Policy", "more")),
        msgspec.msgpack.encode({"mids": [1], "quarantine": "Policy"}),
        msgspec.msgpack.encode(([1], "Policy")) + b"x",
    ],
)
async def test_arguments_of_other_types_reach_no_command(captured: Captured, arguments: bytes) -> None:
    copy = await captured.rest.held()
    ticket = await captured.rest_ticket()
    failure, _ = await captured.ask(lambda n: wire.Run(n, ticket, "release", arguments))
    assert failure == "defect"
    assert captured.rest.custody(copy.mid) == "HELD"


async def test_what_it_asks_for_wrongly_does_not_fill_the_log(captured: Captured) -> None:
    ticket = await captured.rest_ticket()
    for _ in range(module.FAULTS_MAX + 20):
        assert (await captured.ask(lambda n: wire.Run(n, ticket, "add-user", b"\x90")))[0] == "defect"
    assert len(captured.wired.faults) == module.FAULTS_MAX


async def test_a_defect_of_a_command_is_said_by_custody_and_not_shown_to_the_console(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*words: Any) -> None:
        raise KeyError("a secret of custody")

    ticket = await captured.rest_ticket()
    asked = health(ticket)(0).arguments  # the shape of the true one
    monkeypatch.setitem(COMMANDS, "health", replace(COMMANDS["health"], run=broken))
    failure, octets = await captured.ask(lambda n: wire.Run(n, ticket, "health", asked))
    assert failure == "defect" and b"secret" not in octets
    assert "KeyError: 'a secret of custody'" in captured.wired.faults[0]


# --- tickets
@pytest.mark.parametrize("ticket", ["", "0" * 32, "administrator"])
async def test_without_a_ticket_nobody_acts(captured: Captured, ticket: str) -> None:
    copy = await captured.rest.held()
    release = shape_of("release").pack(((copy.mid,), "Policy"), {})
    said: list[Callable[[int], Any]] = [
        lambda n: wire.Run(n, ticket, "release", release),
        health(ticket),
        lambda n: wire.Enter(n, ticket),
        lambda n: wire.Visit(n, ticket, False),
        lambda n: wire.DoLine(n, 1, "version", 80),
        lambda n: wire.Exchange(n, ticket, "exchange x", ""),
        lambda n: wire.Code(n, ticket, "123456"),
    ]
    for make in said:
        assert (await captured.ask(make))[0] == "sign-in"
    assert captured.rest.custody(copy.mid) == "HELD"
    assert captured.notes == []


async def test_a_ticket_of_one_face_is_none_of_the_other(captured: Captured) -> None:
    """A session lasts longer than a call."""
    rest, ssh = await captured.rest_ticket(), await captured.ssh_ticket()
    assert (await captured.ask(health(rest)))[0] == ""
    assert (await captured.ask(health(ssh)))[0] == "sign-in"
    assert (await captured.ask(lambda n: wire.Enter(n, rest)))[0] == "sign-in"
    assert (await captured.ask(lambda n: wire.Visit(n, rest, False)))[0] == "sign-in"
    assert (await captured.ask(lambda n: wire.Exchange(n, ssh, "exchange x", "")))[0] == "sign-in"


async def test_a_ticket_is_over_with_its_time_and_with_its_connection(captured: Captured) -> None:
    rest, ssh = await captured.rest_ticket(), await captured.ssh_ticket()
    visited = await captured.asked(wire.Visited, lambda n: wire.Visit(n, ssh, False))
    captured.rest.clock.now += 61_000
    assert (await captured.ask(health(rest)))[0] == "sign-in"
    await captured.wired.raw.send(wire.Leave(ssh))
    assert (await captured.ask(lambda n: wire.Visit(n, ssh, False)))[0] == "sign-in"
    assert (await captured.ask(lambda n: wire.DoLine(n, visited.visit, "version", 80)))[0] == "sign-in"


async def test_the_role_of_the_user_bounds_what_his_ticket_does(captured: Captured) -> None:
    ticket = await captured.rest_ticket("technician")
    failure, octets = await captured.ask(lambda n: wire.Run(n, ticket, "rules", shape_of("rules").pack((), {})))
    assert (failure, msgspec.msgpack.decode(octets)[0]) == ("refused", "forbidden")


async def test_who_was_shut_out_meanwhile_does_nothing_more(captured: Captured) -> None:
    ticket = await captured.rest_ticket("operator")
    user = captured.rest.store.view.user("operator")
    assert user is not None
    await captured.rest.store.submit(PutUser(replace(user, disabled=True), ()))
    assert (await captured.ask(health(ticket)))[0] == "sign-in"


# --- proofs
async def test_a_key_is_proved_by_a_signature_and_by_each_one_once(captured: Captured) -> None:
    key, other = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    await credentials.add_key(captured.rest.desk, OPERATOR, line_of(key))
    line, right = line_of(key), proof_of(key, "operator")

    async def tried(user: str, signed: bytes, signature: bytes) -> str:
        return (await captured.ask(lambda n: wire.ByKey(n, user, line, signed, signature, AT)))[0]

    forged = proof_of(other, "operator")
    assert await tried("operator", b"", b"") == "sign-in"
    assert await tried("operator", right.signed, forged.signature) == "sign-in"
    assert await tried("administrator", right.signed, right.signature) == "sign-in"
    assert captured.notes == [
        ("sign-in-failed", "operator", AT), ("sign-in-failed", "operator", AT), ("sign-in-failed", "administrator", AT)
    ]  # fmt: skip
    assert await tried("operator", right.signed, right.signature) == ""
    assert await tried("operator", right.signed, right.signature) == "sign-in", "a signature was good twice"


async def test_guesses_wait_whoever_passes_them_on(captured: Captured) -> None:
    ends = [(await captured.ask(lambda n: wire.SignIn(n, "operator", "wrong", "", AT, False)))[0] for _ in range(6)]
    assert ends[0] == "sign-in" and ends[-1] == "delayed"
    assert (await captured.ask(lambda n: wire.Passphrase(n, "operator", PASSWORD, AT)))[0] == "delayed"


# --- what ends it
@pytest.mark.parametrize(
    "frame",
    [
        msgspec.msgpack.encode(["no such frame", 1]),
        msgspec.msgpack.encode(["state", "1"]),
        msgspec.msgpack.encode(["state", 1, "more"]),
        msgspec.msgpack.encode(["sign in", 1, "operator", "x" * 70_000, "", AT, False]),
        msgspec.msgpack.encode(["line", 1, 1, "version", 100_000]),
        msgspec.msgpack.encode(["run", 1, "t", "health", "a text"]),
        msgspec.msgpack.encode({"state": 1}),
        b"",
        b"\xc1" * 8,
    ],
)
async def test_a_frame_of_another_shape_cuts_the_console_off(captured: Captured, frame: bytes) -> None:
    captured.wired.raw._writer.write(len(frame).to_bytes(4) + frame)
    assert "it said what cannot be read" in await captured.wired.serving
    assert await captured.wired.raw.next() is None


async def test_a_frame_that_is_too_long_cuts_it_off_before_it_is_read(captured: Captured) -> None:
    captured.wired.raw._writer.write((wire.TO_CUSTODY_BYTES_MAX + 1).to_bytes(4))
    assert "a frame of" in await captured.wired.serving


async def test_what_is_asked_at_once_is_bounded(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ASKS_MAX", 0)
    failure, octets = await captured.ask(wire.State)
    assert (failure, msgspec.msgpack.decode(octets)[0]) == ("refused", "unavailable")
    monkeypatch.setattr(wire, "ASKS_MAX", 10)
    monkeypatch.setattr(wire, "ASKED_BYTES_MAX", 4)
    assert (await captured.ask(wire.State))[0] == "refused"
    monkeypatch.setattr(wire, "ASKED_BYTES_MAX", 1_000)
    for _ in range(20):
        assert (await captured.ask(wire.State))[0] == ""


async def test_it_cannot_flood_the_log(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAULTS_MAX", 3)
    for number in range(10):
        await captured.wired.raw.send(wire.Fault(f"fault {number}"))
    assert (await captured.ask(wire.State))[0] == ""
    assert captured.wired.faults == ["fault 0", "fault 1", "fault 2"]


async def test_a_line_whose_console_has_gone_ends(captured: Captured) -> None:
    """A verb that follows a log, or asks, hears that nobody listens any more."""
    ticket = await captured.ssh_ticket()
    visited = await captured.asked(wire.Visited, lambda n: wire.Visit(n, ticket, False))
    await captured.wired.raw.send(wire.DoLine(8, visited.visit, "passwd", 80))
    frame = await captured.wired.raw.next()
    assert frame is not None and isinstance(wire.to_console.decode(frame), wire.Asked)
    captured.wired.raw.close()
    assert await captured.wired.serving == "it ended"
    await until(lambda: not captured.wired.port._talks, "the verb ends")
