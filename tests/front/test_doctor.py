"""`pratique doctor`: each check fails for its own reason, with a cure, and passes on a sound pair."""

import asyncio
import contextlib
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pratique.front import doctor
from pratique.front.check import Check, State
from pratique.front.command import run_command
from pratique.front.doctor import certificate_check, check_command_client, examine, rendered
from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.local_acts import LOCAL_ACTS
from pratique.front.options import FILE
from pratique.front.patient import Patient, reachable
from pratique.net import probe
from pratique.net.probe import ProbeFailed, banner
from tests.front.local_world import free_address, made, running

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PLACE = {"host": "192.0.2.5", "port": 7025, "listening": True, "suspended": ""}


async def _pair(tmp_path: Path) -> tuple[Path, Path]:
    manager, gateway = tmp_path / "sma", tmp_path / "gw"
    await made("manager", manager)
    await made("gateway", gateway)
    await enrol_stopped(gateway, own_enrolment(manager))
    await enrol_stopped(manager, own_enrolment(gateway))
    return manager, gateway


def _states(checks: list[Check]) -> dict[str, State]:
    return {check.name: check.state for check in checks}


async def test_a_sound_pair_passes_every_required_check(tmp_path: Path) -> None:
    manager, gateway = await _pair(tmp_path)
    async with running(manager), running(gateway):
        for directory, expected in (
            (manager, {"quarantine port", "REST API", "peer gateway.example tcp", "peer gateway.example tls"}),
            (gateway, {"listener InboundMail", "peer manager.example tcp", "peer manager.example tls", "space"}),
        ):
            checks = await examine(directory)
            states = _states(checks)
            assert not [check for check in checks if check.failed], rendered(checks)
            assert expected <= states.keys()
            assert {states[name] for name in expected} == {State.OK}
            assert rendered(checks).splitlines()[-1].startswith("all required checks passed")
            if directory is gateway:
                (canary,) = [check for check in checks if check.name == "canary"]
                assert (canary.state, "came back and was discarded" in canary.found) == (State.OK, True)


async def test_a_stopped_appliance_and_a_peer_that_is_down(tmp_path: Path) -> None:
    _, gateway = await _pair(tmp_path)
    checks = {check.name: check for check in await examine(gateway)}
    assert {name for name, check in checks.items() if check.failed} == {
        "listener InboundMail",
        "quarantine port",
        "REST API",
        "peer manager.example tcp",
    }
    assert f"pratique run {gateway}" in checks["quarantine port"].cure
    assert "telnet" in checks["peer manager.example tcp"].cure
    assert checks["store"].state is State.OK


async def test_a_peer_that_does_not_know_us_is_named(tmp_path: Path) -> None:
    manager, _ = await _pair(tmp_path)
    stranger = tmp_path / "gw2"
    await made("gateway", stranger)
    await enrol_stopped(stranger, own_enrolment(manager))
    async with running(manager):
        checks = {check.name: check for check in await examine(stranger)}
    assert checks["peer manager.example tcp"].state is State.OK
    assert checks["peer manager.example tls"].failed
    assert "exchange" in checks["peer manager.example tls"].cure


async def test_files_that_are_not_as_they_should_be(tmp_path: Path) -> None:
    directory = tmp_path / "sma"
    await made("manager", directory)
    key = directory / "keys" / "cpq.key"
    key.chmod(0o644)
    future = time.time() + 3_600
    os.utime(directory / FILE, (future, future))
    checks = {check.name: check for check in await examine(directory)}
    assert checks["keys"].found == "readable by others: cpq.key"
    assert checks["keys"].cure == f"chmod 600 {key}"
    assert checks["clock"].failed
    assert checks["peers"].state is State.WARNING
    key.unlink()
    assert (await asyncio.to_thread(doctor.check_keys, _patient(directory))).found == "missing: cpq.key"
    (directory / FILE).write_text("nonsense = [")
    (only,) = await examine(directory)
    assert (only.name, only.failed) == ("config", True)


def _patient(directory: Path) -> Patient:
    from pratique.fleet.identity import Keys
    from pratique.front.files import read_options

    return Patient(directory, read_options(directory), Keys(directory / "keys"))


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pratique.fleet import identity

    missing = certificate_check(tmp_path / "none.crt", "certificate")
    assert missing.failed
    for days, state in ((-1, State.FAILED), (10, State.WARNING), (300, State.OK)):
        monkeypatch.setattr(identity, "CERTIFICATE_DAYS", days + 0.01)
        keys = tmp_path / str(days)
        if days < 0:
            monkeypatch.setattr(identity, "CERTIFICATE_DAYS", -0.01)
        made_keys = identity.create(keys, name="x.example", serial="S" * 20, addresses=(), signing=False)
        assert certificate_check(made_keys.cpq_certificate, "certificate").state is state


def test_space_and_links() -> None:
    assert doctor.check_space({"free_bytes": 0}).failed
    assert doctor.check_space({"free_bytes": 1 << 20}).state is State.WARNING
    assert doctor.check_space({"free_bytes": 1 << 40}).state is State.OK
    link = {"serial": "S", "peer": "gw", "waiting": 3, "last_error": "refused"}
    states = [doctor.check_links({"links": [link | {"up": up}]}, "OWN")[0] for up in (True, None, False)]
    assert [check.state for check in states] == [State.OK, State.OK, State.FAILED]
    assert "3 transfers wait: refused" in states[2].found
    assert doctor.check_links({"links": [link | {"serial": ""}]}, "OWN") == []
    fenced = {"links": [link | {"up": False, "last_error": "554 XQFENCED"}]}
    assert "on gw `pratique enroll DIR --unlock OWN`" in doctor.check_links(fenced, "OWN")[0].cure
    assert doctor.rendered(states).splitlines()[-1] == "all required checks passed, 1 that are not required failed"
    assert not states[2].failed  # the peer's own checks tell what is required


async def test_a_running_appliance_of_another_version_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "sma"
    await made("manager", directory)
    async with running(directory):
        monkeypatch.delitem(LOCAL_ACTS, "corrupt")
        checks = {check.name: check for check in await examine(directory)}
    assert checks["store"].failed
    assert checks["store"].cure == "is it of another version?"


@pytest.mark.parametrize("address, place", [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1")])
def test_where_to_dial_ourselves(address: str, place: str) -> None:
    assert reachable(address) == place


@asynccontextmanager
async def _port(session: Session, address: str) -> AsyncIterator[None]:
    """A server on port 7025 whose sessions have ended when it is left."""
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            await session(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async with await asyncio.start_server(serve, address, 7025):
        yield
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


@pytest.mark.parametrize(
    "greeting, why",
    [
        (b"554 go away\r\n", "instead of 220"),
        (b"", "hung up"),
        (b"22", "hung up after"),
        (b"x" * 10_000, "does not speak SMTP"),
        (b"220-a\r\n" * 200, "no end"),
        (None, "says nothing"),
    ],
)
async def test_a_port_that_does_not_greet(greeting: bytes | None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.2)
    address = free_address()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting is None:
            await reader.read()
        else:
            writer.write(greeting)

    async with _port(serve, address):
        with pytest.raises(ProbeFailed, match=why):
            await banner(address, 7025)


async def test_tls_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.5)
    address = free_address()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250 x\r\n")
        await reader.readline()
        writer.write(b"454 no TLS now\r\n")
        await reader.read()

    async with _port(serve, address):
        with pytest.raises(ProbeFailed, match="STARTTLS was answered with '454 no TLS now'"):
            await probe.quarantine_port(address, 7025, ssl.create_default_context())


def test_the_command_ends_with_1_and_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "sma"
    asyncio.run(made("manager", directory))
    capsys.readouterr()
    assert run_command(["doctor", str(directory), "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)
    assert {"name", "state", "found", "cure", "required"} == set(checks[0])
    assert run_command(["doctor", str(directory)]) == 1
    assert "cure: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "state", "text"),
    [
        (
            {"kind": "timeout", "why": "silence", "cure": "Check the route", "place": None},
            State.FAILED,
            "timeout: silence",
        ),
        ({"kind": "", "place": None}, State.SKIPPED, "not asked yet"),
        ({"kind": "", "place": PLACE}, State.OK, "releases go to 192.0.2.5:7025"),
        ({"kind": "", "place": PLACE | {"suspended": "operator"}}, State.FAILED, "no released mail now: operator"),
        ({"kind": "", "place": PLACE | {"listening": False}}, State.FAILED, "does not listen"),
    ],
)
def test_where_a_gateway_takes_releases(asked: dict[str, Any], state: State, text: str) -> None:
    (check,) = check_command_client({"peer": "gw1", "asked": asked})
    assert (check.state, check.required) == (state, False) and text in check.found
    assert bool(check.cure) is (state is State.FAILED)


def test_a_peer_that_is_not_asked_has_no_check_for_it() -> None:
    assert check_command_client({"peer": "sma", "asked": None}) == check_command_client({"peer": "sma"}) == []
