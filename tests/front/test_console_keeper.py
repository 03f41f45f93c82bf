"""Custody starts the console process, says what does not work, and starts it again."""

import asyncio
import socket
from pathlib import Path

import pytest

from pratique.fleet.identity import Keys
from pratique.front.appliance import build
from pratique.front.faces import Faces
from pratique.front.files import read_options
from pratique.front.local import ask
from tests.front.local_world import made
from tests.front.pair import until

OPTIONS = {"process.console": "true", "ssh.enabled": "true", "ssh.port": "2222"}


def _banner(address: str) -> bytes:
    with socket.create_connection((address, 2222), 30) as sock:
        return sock.recv(40)


async def test_a_port_that_is_taken_stops_that_face_only(tmp_path: Path) -> None:
    address = await made("manager", tmp_path / "sma", **OPTIONS)
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    with socket.create_server((address, 8443)), pytest.raises(OSError, match=r"^REST API: .*in use$"):
        await faces.start()
    assert (await asyncio.to_thread(_banner, address)).startswith(b"SSH-2.0-Pratique")
    assert (await ask(tmp_path / "sma", "health"))["status"] == "ok"
    await faces.stop()
    await appliance.stop()
    with pytest.raises(ConnectionRefusedError):
        _banner(address)


async def test_a_process_that_cannot_start_says_why_and_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pratique.runner.supervisor.FIRST_WAIT_SECONDS", 0.02)
    address = await made("manager", tmp_path / "sma", **OPTIONS | {"web.enabled": "false"})
    host_key = Keys(tmp_path / "sma" / "keys").ssh_host_keys[0]
    host_key.write_text("rubbish")
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    await faces.start()
    log = tmp_path / "sma" / "log" / "mail.current"

    def said(text: str) -> bool:
        appliance.mail_log.flush()
        return log.exists() and text in log.read_text()

    await until(lambda: said("console process: it cannot start: a host key cannot be read"), "the reason is said", 60)
    await until(lambda: said("console process ended (OSError: status 1; it ended) and is started again"), "its end", 60)
    host_key.unlink()
    assert (await asyncio.to_thread(_banner, address)).startswith(b"SSH-2.0-Pratique")
    await faces.stop()
    await appliance.stop()
