"""What a worker is told of a message, and that nothing of it stays behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.checks.held import HELD_BYTES_MAX
from pratique.checks.lending import lent
from pratique.checks.room import WorkerRoom
from pratique.mail.body import InFile

LARGE = bytes(range(256)) * (HELD_BYTES_MAX // 128)


class Body:
    sha256 = ""

    def __init__(self, octets: bytes, place: InFile | None = None) -> None:
        self.octets, self.size, self.place = octets, len(octets), place

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, 65_536):
            yield self.octets[start : start + 65_536]


def octets_of(item: bytes | InFile) -> bytes:
    if isinstance(item, bytes):
        return item
    return Path(item.path).read_bytes()[item.offset : item.offset + item.length]


def same(one: str, other: Path) -> bool:
    return other.samefile(one)


def left(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_small_ones_are_sent_and_nobody_elses_file_is_named(tmp_path: Path) -> None:
    shared = tmp_path / "shared.seg"
    shared.write_bytes(b"others, mine, others")
    async with lent(Body(b"mine", InFile(str(shared), 8, 4)), None, tmp_path, most=100) as item:
        assert item == b"mine"
    async with lent(Body(b"mine"), b"mine", tmp_path, most=2) as item:
        assert item == b"mi"


@pytest.mark.parametrize("most", [len(LARGE), len(LARGE) - 7, HELD_BYTES_MAX + 1])
async def test_a_large_one_with_a_file_of_its_own_gets_a_second_name(tmp_path: Path, most: int) -> None:
    own, room = tmp_path / "7.seg", WorkerRoom.below(tmp_path)
    own.write_bytes(LARGE)
    room.make()
    async with lent(Body(LARGE, InFile(str(own), 0, len(LARGE))), None, room.lent, most=most) as item:
        assert isinstance(item, InFile)
        assert same(item.path, own)
        assert Path(item.path).parent == room.lent
        assert octets_of(item) == LARGE[:most]
    assert left(room.lent) == []
    assert own.read_bytes() == LARGE


async def test_one_whose_file_has_no_name_here_is_copied(tmp_path: Path) -> None:
    async with lent(Body(LARGE), None, tmp_path, most=len(LARGE) - 7) as item:
        assert isinstance(item, InFile)
        assert octets_of(item) == LARGE[:-7]
    assert left(tmp_path) == []


async def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        async with lent(Body(LARGE), None, tmp_path, most=len(LARGE)):
            raise RuntimeError
    assert left(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        async with lent(Body(LARGE), None, tmp_path / "gone", most=len(LARGE)):
            pass


def test_a_room_is_empty_at_the_start(tmp_path: Path) -> None:
    room = WorkerRoom.below(tmp_path / "spool")
    room.make()
    (room.scratch / "left").write_bytes(b"x")
    (room.lent / "left").write_bytes(b"x")
    room.make()
    assert [*room.scratch.iterdir(), *room.lent.iterdir()] == []
    assert room.lent.stat().st_mode & 0o777 == 0o700
