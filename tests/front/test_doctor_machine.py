"""The machine under an appliance: each check in each of its states, from figures that a test chooses."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pratique.front import doctor_machine
from pratique.front.acts import CLOCK_GAUGE
from pratique.front.check import State
from pratique.front.doctor import examine
from pratique.front.doctor_machine import (
    check_confinement,
    check_corrupt,
    check_disks,
    check_ntp,
    check_peer_clocks,
    check_sync,
)
from pratique.net.ntp import Kept
from pratique.store.honesty import Honesty
from tests.front.local_world import made, running

GIB = 1 << 30


def _disk(monkeypatch: pytest.MonkeyPatch, **changed: int) -> None:
    fields = {"f_flag": 0, "f_blocks": 100 * GIB, "f_frsize": 1, "f_bavail": 50 * GIB, "f_files": 10**6}
    fields["f_favail"] = 10**6
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(**fields | changed))


@pytest.mark.parametrize(
    ("changed", "state", "found"),
    [
        ({}, State.OK, "51200 MiB free of 102400, reserve 5120 MiB; 1000000 inodes free of 1000000"),
        ({"f_bavail": 5 * GIB}, State.FAILED, "5120 MiB free"),
        ({"f_favail": 999}, State.FAILED, "999 inodes free"),
        ({"f_favail": 9_999}, State.WARNING, "9999 inodes free"),
        ({"f_files": 0, "f_favail": 0}, State.OK, "reserve 5120 MiB"),
        ({"f_flag": os.ST_RDONLY}, State.FAILED, "mounted read-only"),
    ],
)
def test_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, int], state: State, found: str
) -> None:
    _disk(monkeypatch, **changed)
    (check,) = check_disks(tmp_path, tmp_path, 0)
    assert (check.state, found in check.found) == (state, True), check.found
    assert check.cure or state is State.OK


def test_a_reserve_that_was_set_counts_and_a_disk_that_is_gone_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_disks(tmp_path, tmp_path / "gone", 0)[0].state is State.FAILED
    _disk(monkeypatch)
    assert check_disks(tmp_path, tmp_path, 60 * GIB)[0].state is State.FAILED


def test_a_store_on_another_disk_has_a_check_of_its_own() -> None:
    names = [check.name for check in check_disks(Path("/proc"), Path("/"), 1)]
    assert names == ["spool disk", "store disk"]


def test_a_sync_that_cannot_be_one_is_a_doubt_with_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = check_sync(tmp_path)
    assert " a second)" in sound.found
    monkeypatch.setattr(doctor_machine, "measure", lambda place: Honesty(0.000_002, "ext4", "too fast"))
    check = check_sync(tmp_path)
    assert (check.state, check.failed) == (State.WARNING, False)
    assert check.found == "in doubt: too fast; a synced write takes 0.002 ms (500000 a second) on ext4"

    def broken(place: str) -> Honesty:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(doctor_machine, "measure", broken)
    assert check_sync(tmp_path).failed


def test_who_keeps_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for answer in (Kept(kept=True, error_s=0.01), Kept(kept=False, error_s=16.0), None):
        monkeypatch.setattr(doctor_machine, "kernel_clock", lambda answer=answer: answer)
        states.append(check_ntp().state)
    assert states == [State.OK, State.WARNING, State.SKIPPED]


def test_the_clocks_of_peers() -> None:
    peers = [{"serial": s, "name": s.lower(), "withdrawn": False} for s in ("A", "B", "C", "D")]
    ahead = {f"{CLOCK_GAUGE}A": 10.0, f"{CLOCK_GAUGE}B": -2_500.0, f"{CLOCK_GAUGE}C": 400_000.0}
    checks = check_peer_clocks({"counters": ahead}, peers)
    assert [(check.name, check.state) for check in checks] == [
        ("clock of a", State.OK),
        ("clock of b", State.WARNING),
        ("clock of c", State.FAILED),
    ]
    assert "-2.500 s against ours" in checks[1].found
    assert "no scheduled exit" in checks[2].found


def test_corrupt_bodies_are_named() -> None:
    assert check_corrupt({}).state is State.OK
    check = check_corrupt({str(mid): "why" for mid in range(1, 15)})
    assert check.state is State.FAILED
    assert check.found.endswith("MID 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more")


async def test_a_pair_hears_each_other_s_clock(tmp_path: Path) -> None:
    from tests.front.pair import pair, until

    async with pair(tmp_path) as both:
        await both.start()
        for place, peer in ((both.manager, both.gateway), (both.gateway, both.manager)):
            clocks = place.appliance.services.peer_clocks
            await until(lambda clocks=clocks, peer=peer: peer.serial in clocks, "the hello")
            assert abs(clocks[peer.serial]) < 5_000


async def test_the_doctor_runs_them_all(tmp_path: Path) -> None:
    directory = tmp_path / "gw"
    await made("gateway", directory)
    async with running(directory):
        names = {check.name for check in await examine(directory)}
    assert {"clock keeping", "spool disk", "sync", "bodies"} <= names


@pytest.mark.parametrize(("abi", "state"), [(-1, State.WARNING), (3, State.WARNING), (4, State.OK), (7, State.OK)])
def test_a_kernel_that_cannot_confine_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, abi: int, state: State
) -> None:
    monkeypatch.setattr("pratique.front.doctor_machine.landlock_abi", lambda: abi)
    found = check_confinement()
    assert found.state is state
    assert (state is State.OK) or "newer kernel" in found.cure
