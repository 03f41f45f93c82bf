"""The faces start after the listeners, fail apart from each other, and can be left out."""

import socket
from pathlib import Path

import pytest

from pratique.front.appliance import build
from pratique.front.faces import Faces
from pratique.front.files import read_options
from pratique.front.local import ask
from tests.front.local_world import made


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
