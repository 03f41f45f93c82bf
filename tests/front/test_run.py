"""`pratique run`, as far as it goes without serving: what it says, what it tells systemd, how it refuses."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.front.options import FILE, GatewayOptions
from pratique.front.run import Ending, _tell_systemd, ready_line, run
from pratique.store.moves import StoreFailed


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    options = {
        "cpq.address": '"127.0.0.9"',
        "gateway.listeners.0.address": '"127.0.0.9"',
        "gateway.listeners.0.port": "2525",
    }
    asyncio.run(initialise("gateway", tmp_path / "gw", name="gw.test", overrides=options, password="x"))
    return tmp_path / "gw"


def _line(options: GatewayOptions) -> str:
    return ready_line(SimpleNamespace(options=options))  # type: ignore[arg-type]


def test_the_ready_line_names_every_place(gateway: Path) -> None:
    options = read_options(gateway)
    assert isinstance(options, GatewayOptions)
    web = replace(options.web, address="127.0.0.9", port=8443)
    ssh = replace(options.ssh, address="127.0.0.9", port=2222)
    options = replace(options, web=web, ssh=ssh)
    assert _line(options) == (
        "gw.test ready (gateway): smtp 127.0.0.9:2525, quarantine port 127.0.0.9:7025, REST https://127.0.0.9:8443, "
        "ssh 127.0.0.9:2222"
    )
    assert "REST" not in _line(replace(options, web=replace(web, enabled=False)))
    assert "ssh" not in _line(replace(options, ssh=replace(ssh, enabled=False)))


def test_a_bad_configuration_is_said_and_nothing_starts(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = gateway / FILE
    path.write_text(path.read_text().replace("port = 2525", "port = 99999"))
    assert asyncio.run(run(gateway)) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and "gateway.listeners.0.port" in shown.err.replace("[0]", ".0")
    assert not (gateway / "log").exists()


def test_a_port_that_is_taken_is_said_with_the_cure(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.9", 2525)):
        assert asyncio.run(run(gateway)) == 1
    shown = capsys.readouterr().err
    assert "gw.test cannot listen" in shown and "stop what uses it" in shown
    assert "could not start" in (gateway / "log" / "mail.current").read_text()


def test_an_address_that_is_not_ours_is_said_with_its_own_cure(
    gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = gateway / FILE
    path.write_text(path.read_text().replace('address = "127.0.0.9"', 'address = "192.0.2.77"'))
    assert asyncio.run(run(gateway)) == 1
    assert "this machine has no such address" in capsys.readouterr().err


def test_a_key_that_is_missing_is_named_with_the_cure(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gateway / "keys" / "cpq.key").unlink()
    assert asyncio.run(run(gateway)) == 1
    shown = capsys.readouterr().err
    assert str(gateway / "keys" / "cpq.key") in shown and "backup" in shown and "Errno" not in shown


def test_systemd_is_told_where_it_names_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    _tell_systemd("READY=1")  # nobody listens, nothing happens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        _tell_systemd("READY=1")
        assert sock.recv(100) == b"READY=1"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0pratique-test-{tmp_path.name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@pratique-test-{tmp_path.name}")
        _tell_systemd("STOPPING=1")
        assert sock.recv(100) == b"STOPPING=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    _tell_systemd("READY=1")  # a supervisor that does not listen is no reason not to run


async def test_a_store_that_failed_for_good_ends_the_appliance_with_its_reason() -> None:
    ending = Ending()
    ending.now()
    assert ending.event.is_set() and ending.failure == ""
    ending.fatal(StoreFailed("fsync failed", fatal=True))
    assert ending.failure == "the store failed: fsync failed"
