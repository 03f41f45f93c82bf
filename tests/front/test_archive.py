"""A saved message is whole or not there, is never overwritten, and is the appliance's user's alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.front.archive import FileArchive


def test_a_file_is_kept_whole_and_never_overwritten(tmp_path: Path) -> None:
    path = FileArchive(tmp_path).keep("a.mbox", [b"one", b"two"])
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError, match="is there already"):
        FileArchive(tmp_path).keep("a.mbox", [b"other"])
    assert path.read_bytes() == b"onetwo"


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        FileArchive(tmp_path).keep("a.mbox", broken())
    assert list((tmp_path / "archive").iterdir()) == []
