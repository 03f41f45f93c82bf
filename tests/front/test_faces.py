"""The faces start after the listeners, fail apart from each other, and can be left out."""

import asyncio
import pkgutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.fleet.identity import Keys
from pratique.front.appliance import build
from pratique.front.faces import Faces
from pratique.front.files import read_options
from pratique.front.local import ask
from tests.front.local_world import made
from tests.front.pair import until
from tests.runner.support import turns


async def test_without_the_rest_api_the_machines_own_commands_work(tmp_path: Path) -> None:
    address = await made("manager", tmp_path / "sma", **{"web.enabled": "false"})
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    await faces.start()
    assert faces.port == 0
    with socket.socket() as sock:
        assert sock.connect_ex((address, 8443)) != 0
    assert (await ask(tmp_path / "sma", "health"))["status"] == "ok"
    await faces.stop()
    await appliance.stop()


async def test_a_port_that_is_taken_stops_the_rest_api_only(tmp_path: Path) -> None:
    address = await made("manager", tmp_path / "sma")
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    with socket.create_server((address, 8443)), pytest.raises(OSError, match=r"REST API: .*in use"):
        await faces.start()
    assert (await ask(tmp_path / "sma", "health"))["status"] == "ok"
    await faces.stop()
    await appliance.stop()


async def test_a_port_that_is_taken_stops_the_ssh_face_only(tmp_path: Path) -> None:
    address = await made("manager", tmp_path / "sma", **{"ssh.enabled": "true", "ssh.port": "2222"})
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    with socket.create_server((address, 2222)), pytest.raises(OSError, match=r"^SSH: .*in use"):
        await faces.start()
    with socket.create_connection((address, 8443)):
        pass
    assert (await ask(tmp_path / "sma", "health"))["status"] == "ok"
    await faces.stop()
    await appliance.stop()


async def test_host_keys_are_made_once_for_the_owner_alone_and_a_broken_one_is_named(tmp_path: Path) -> None:
    await made("manager", tmp_path / "sma", **{"ssh.enabled": "true", "ssh.port": "2222", "web.enabled": "false"})
    paths = Keys(tmp_path / "sma" / "keys").ssh_host_keys
    kept = []
    for _ in range(2):
        appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
        faces = Faces(appliance)
        await faces.start()
        assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
        kept.append([path.read_bytes() for path in paths])
        await faces.stop()
        await appliance.stop()
    assert kept[0] == kept[1]
    paths[0].write_text("rubbish")
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    with pytest.raises(OSError, match=r"host key cannot be read .* remove its file"):
        await faces.start()
    await faces.stop()
    await appliance.stop()


def test_the_program_starts_without_the_libraries_of_the_faces() -> None:
    """Mail is taken before they load."""
    code = (
        "import sys, pratique.front.run, pratique.front.faces;"
        "print([name for name in ('asyncssh', 'litestar', 'uvicorn', 'pyotp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


async def call(address: str, port: int) -> None:
    """Be taken and hung up on by a face, for a line that is neither TLS nor SSH. Who only connects may be left half
    taken: asyncio loses a connection whose listener closes in that moment (uvloop does not)."""
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"hello\r\n\r\n")
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()


async def test_a_face_whose_listener_closes_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pratique.front.faces.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("pratique.runner.supervisor.FIRST_WAIT_SECONDS", 0.02)
    address = await made("manager", tmp_path / "sma", **{"ssh.enabled": "true", "ssh.port": "2222"})
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    await faces.start()
    assert faces._server is not None and faces._ssh is not None and faces._ssh._acceptor is not None
    await turns()  # both are watched
    faces._server._server.servers[0].close()
    faces._ssh._acceptor.close()

    def again() -> bool:
        found = {one.name: one for one in appliance.services.supervisor.components()}
        return all(found[n].restarts == 1 and found[n].life == "running" for n in ("REST API", "SSH"))

    try:
        await until(again, "both are started again")
    except AssertionError:
        raise AssertionError(appliance.services.supervisor.components()) from None
    for port in (8443, 2222):
        await until(lambda: faces._serves("SSH") and faces._serves("REST API"), "both listen")
        await call(address, port)
    appliance.mail_log.flush()
    told = (tmp_path / "sma" / "log" / "mail.current").read_text()
    assert "An application fault occurred: SSH ended (OSError: its listener has closed) and is started again" in told
    await faces.stop()
    await appliance.stop()


@pytest.mark.parametrize(
    ("server", "port"),
    [("pratique.console.serve.ConsoleServer", 8443), ("pratique.console.ssh.server.SshServer", 2222)],
)
async def test_a_face_that_is_being_started_when_the_appliance_stops_leaves_no_listener(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, port: int
) -> None:
    address = await made("manager", tmp_path / "sma", **{"ssh.enabled": "true", "ssh.port": "2222"})
    appliance = await build(tmp_path / "sma", read_options(tmp_path / "sma"), on_fatal=lambda error: None)
    faces = Faces(appliance)
    with socket.create_server((address, port)), pytest.raises(OSError, match="in use"):
        await faces.start()
    listens = asyncio.Event()
    start = pkgutil.resolve_name(f"{server}.start")

    async def nearly(*args: object) -> None:
        await start(*args)
        listens.set()
        await turns()  # the loop's own opening of a listener ends with one

    monkeypatch.setattr(f"{server}.start", nearly)
    await asyncio.wait_for(listens.wait(), 30)
    await faces.stop()
    with socket.socket() as sock:
        assert sock.connect_ex((address, port)) != 0
    await appliance.stop()
