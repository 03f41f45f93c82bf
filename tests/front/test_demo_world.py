"""The demo's world: addresses that are free, files that are kept or removed, a description as the contract has it."""

import socket
from pathlib import Path

import pytest

from pratique.front import demo_world
from pratique.front.demo_world import DemoFailed, Member, World, new_world, stop
from pratique.front.destination import Destination


def test_a_directory_that_is_not_empty_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoFailed, match="not empty"):
        new_world(tmp_path, hold_all=False)


def test_a_network_in_use_is_passed_over(tmp_path: Path) -> None:
    first = new_world(tmp_path / "a", hold_all=False).network
    with socket.create_server((f"127.0.{first}.2", demo_world.CPQ_PORT)):
        second = new_world(tmp_path / "b", hold_all=False).network
    assert first != second and {first, second} <= set(demo_world.NETWORKS)


def test_without_a_free_network_the_cure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_world, "_is_free", lambda place: False)
    with pytest.raises(DemoFailed, match="stop other demos first"):
        new_world(tmp_path / "x", hold_all=False)


def test_the_description_has_the_shape_of_the_contract(tmp_path: Path) -> None:
    members = [
        Member("sma.demo.example", "manager", "127.0.77.1", tmp_path / "sma", "admin", "secret"),
        Member("gw1.demo.example", "gateway", "127.0.77.2", tmp_path / "gw1", "admin", "other"),
    ]
    world = World(tmp_path, 77, keep=True, hold_all=False, members=members)
    world.destination = Destination(tmp_path / "destination")
    described = world.described()
    assert described["destination"] == {"smtp": "127.0.77.9:2525", "mail": str(tmp_path / "destination")}
    manager, gateway = described["appliances"]  # type: ignore[misc]
    keys = {"name", "role", "smtp", "cpq", "ssh", "web", "user", "password", "dir"}
    assert set(manager) == set(gateway) == keys
    assert (manager["smtp"], manager["ssh"], manager["cpq"]) == (None, "127.0.77.1:2222", "127.0.77.1:7025")
    assert (gateway["smtp"], gateway["web"], gateway["dir"]) == (
        "127.0.77.2:2525",
        "127.0.77.2:8443",
        str(tmp_path / "gw1"),
    )


@pytest.mark.parametrize("keep", [True, False])
async def test_files_are_kept_only_where_the_user_chose_the_place(tmp_path: Path, keep: bool) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "file").touch()
    await stop(World(base, 77, keep=keep, hold_all=False))
    assert base.exists() is keep
