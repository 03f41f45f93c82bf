"""Octets in memory and in files: the same to who reads them, and nothing is left behind."""

import errno
import os
import re
from pathlib import Path

import pytest

from pratique.checks import held as module
from pratique.checks.held import Mapped, Scratch, held, open_place, read_place
from pratique.mail.body import InFile

OCTETS = bytes(range(256)) * 8


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES_MAX", 100)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "00000001.seg"
    path.write_bytes(b"before" + OCTETS + b"behind")
    return path


def test_what_is_small_stays_in_memory(tmp_path: Path) -> None:
    assert held([b"a" * 50, b"b" * 50], str(tmp_path)) == b"a" * 50 + b"b" * 50
    assert held([], None) == b""


def test_what_is_large_lies_in_a_file_without_a_name(tmp_path: Path) -> None:
    octets = held([OCTETS[:99], OCTETS[99:500], OCTETS[500:]], str(tmp_path))
    assert isinstance(octets, Mapped)
    assert octets[:] == OCTETS
    assert len(octets) == len(OCTETS)
    assert list(tmp_path.iterdir()) == []
    assert Path(octets.path).read_bytes() == OCTETS
    match = re.compile(rb"\xfe\xff").search(octets, 300)
    assert match is not None
    assert match.start() == 256 + 254


def test_its_file_ends_with_its_last_user(tmp_path: Path) -> None:
    octets = held([OCTETS], str(tmp_path))
    assert isinstance(octets, Mapped)
    target = os.readlink(octets.path)
    del octets
    left = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            left.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue  # the one that listed them
    assert target not in left


def test_a_disk_that_is_full_is_an_error_not_a_shorter_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Scratch(str(tmp_path))
    scratch.write(b"x" * 101)

    def full(fd: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        scratch.write(b"y")


def test_only_the_extent_of_the_body_is_read(segment: Path) -> None:
    place = InFile(str(segment), 6, len(OCTETS))
    assert read_place(place) == OCTETS
    assert open_place(place, None)[:] == OCTETS
    assert open_place(place.beginning(10), None) == OCTETS[:10]


def test_a_body_that_has_its_file_alone_is_mapped_where_it_lies(segment: Path) -> None:
    segment.write_bytes(OCTETS)
    octets = open_place(InFile(str(segment), 0, len(OCTETS)), None)
    assert isinstance(octets, Mapped)
    assert os.readlink(octets.path) == str(segment)
    assert octets[:] == OCTETS


@pytest.mark.parametrize("length", [50, 5_000])
def test_a_segment_that_is_gone_or_too_short_is_an_error(segment: Path, length: int) -> None:
    segment.write_bytes(b"short")
    with pytest.raises(OSError, match="ends before the body does"):
        open_place(InFile(str(segment), 0, length), None)
    with pytest.raises(FileNotFoundError):
        open_place(InFile(f"{segment}.gone", 0, length), None)
    link = segment.with_name("link.seg")
    link.symlink_to(segment)
    with pytest.raises(OSError, match="symbolic"):
        open_place(InFile(str(link), 0, length), None)
