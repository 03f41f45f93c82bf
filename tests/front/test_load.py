"""The figures of a machine: shares, what the spool takes, and a system that says nothing."""

import os
from pathlib import Path

import pytest

from pratique.front import load


def test_the_share_of_the_processors_is_of_the_time_since_the_question_before() -> None:
    clock = {"now": 100.0, "used": 7.0}
    cpu = load.CpuShare(used=lambda: clock["used"], now=lambda: clock["now"], processors=2)
    assert cpu.per_cent() == 0
    clock.update(now=110.0, used=12.0)
    assert cpu.per_cent() == 25
    clock.update(now=111.0, used=13.0)
    assert cpu.per_cent() == 25  # too soon to measure anew
    clock.update(now=120.0, used=13.0)
    assert cpu.per_cent() == 5
    clock.update(now=140.0)
    assert cpu.per_cent() == 0


@pytest.mark.parametrize(("part", "whole", "shown"), [(1, 3, 33), (-1, 5, 0), (9, 5, 100), (1, 0, 0)])
def test_a_share_is_a_per_cent_of_something(part: float, whole: float, shown: int) -> None:
    assert load.share(part, whole) == shown


def test_a_system_that_hides_its_load_leaves_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5 * (os.cpu_count() or 1), 9.0, 9.0))
    assert load.all_that_runs(7) == 50

    def hidden() -> tuple[float, float, float]:
        raise OSError("Load averages are unobtainable")

    monkeypatch.setattr(os, "getloadavg", hidden)
    assert load.all_that_runs(7) == 7


def test_this_process_takes_some_memory_and_a_disk_is_somehow_full(tmp_path: Path) -> None:
    assert 0 <= load.memory() < 100
    used, free = load.fullness(tmp_path)
    assert 0 <= used <= 100 and free > 0
    with pytest.raises(FileNotFoundError):
        load.fullness(tmp_path / "gone")


def test_the_spool_takes_what_its_segments_take(tmp_path: Path) -> None:
    assert load.segments(tmp_path) == 0
    (tmp_path / "00000001.seg").write_bytes(b"x" * 100_000)
    (tmp_path / "spare-1").write_bytes(b"x" * 100_000)
    (tmp_path / "lent").mkdir()
    assert 100_000 <= load.segments(tmp_path) < 200_000
