"""Log files in blocks: whole lines whatever the block's end, context over blocks, rollovers in the middle."""

from pathlib import Path

import pytest
import re2

from pratique.telemetry import searching
from pratique.telemetry.searching import Follower, Matcher, blocks


async def _lines(paths: list[Path]) -> list[bytes]:
    return [line async for block in blocks(paths, list) for line in block]


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
async def test_lines_are_whole_whatever_the_size_of_a_block(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "BLOCK_BYTES", size)
    lines = [b"line %d" % number for number in range(50)] + [b"", b"last without an end"]
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"\n".join(lines[:20]) + b"\n")
    second.write_bytes(b"\n".join(lines[20:]))
    assert await _lines([first, tmp_path / "pruned", second]) == lines


async def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BLOCK_BYTES", 100)
    monkeypatch.setattr(searching, "LINE_BYTES_MAX", 250)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10_000)
    lines = await _lines([path])
    assert b"".join(lines) == b"x" * 10_000 and max(map(len, lines)) <= 350


async def test_a_rollover_in_the_middle_takes_nothing_away(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"one\n")
    second.write_bytes(b"two\n")
    found = blocks([first, second], list)
    assert await anext(found) == [b"one"]
    second.rename(tmp_path / "c")
    second.write_bytes(b"three\n")
    assert [block async for block in found] == [[b"two"]]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_context_goes_over_blocks(size: int) -> None:
    lines = [b"%d" % number for number in range(20)]
    matcher = Matcher(re2.compile(b"^(3|4|12)$"), False, 2)
    found = [line for at in range(0, 20, size) for line in matcher.take(lines[at : at + size])]
    assert found == ["1", "2", "3", "4", "5", "6", "--", "10", "11", "12", "13", "14"]


def test_what_does_not_match(tmp_path: Path) -> None:
    matcher = Matcher(re2.compile(b"a"), True, 0)
    assert matcher.take([b"a", b"b\xff", b"ca"]) == ["b\ufffd"]


def test_a_follower_reads_whole_lines_only_and_over_a_rollover(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    follower = Follower(path, 1)
    assert follower.last() == ["two"]
    with path.open("ab") as file:
        file.write(b"ee\nfour\n")
    assert follower.more() == [b"three", b"four"]
    path.rename(tmp_path / "rolled")
    assert follower.more() == []
    path.write_bytes(b"five\n")
    assert follower.more() == [b"five"]
    follower.close()
