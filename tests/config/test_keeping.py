"""A file is replaced whole or not at all, and keeps who may read it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.config.keeping import remove_file, replace_file

KILLED = """
import os, sys
from pathlib import Path
from pratique.config import keeping
at, path = sys.argv[1], Path(sys.argv[2])
real = getattr(os, at)
def die(*words):
    if at == "fsync" or str(words[1]) == str(path):
        os._exit(9)
    return real(*words)
setattr(os, at, die)
keeping.replace_file(path, "new\\n" * 10_000)
"""


@pytest.mark.parametrize("at", ["fsync", "rename"])
def test_a_process_that_dies_while_it_writes_leaves_the_former_file(at: str, tmp_path: Path) -> None:
    path = tmp_path / "pratique.toml"
    path.write_text("former\n")
    done = subprocess.run([sys.executable, "-c", KILLED, at, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_text() == "former\n"
    replace_file(path, "newer\n")
    assert path.read_text() == "newer\n" and list(tmp_path.iterdir()) == [path]


def test_mode_and_links_stay(tmp_path: Path) -> None:
    place = tmp_path / "real.toml"
    place.write_text("former")
    place.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(place)
    replace_file(link, "new")
    assert link.is_symlink() and place.read_text() == "new"
    assert place.stat().st_mode & 0o777 == 0o640
    replace_file(tmp_path / "fresh", "x")
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o600


def test_a_sync_that_fails_leaves_the_former_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pratique.toml"
    path.write_text("former")
    tried = []

    def fails(descriptor: int) -> None:
        tried.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(path, "new")
    assert path.read_text() == "former" and len(tried) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / ".pratique.toml.new").symlink_to(victim)
    replace_file(tmp_path / "pratique.toml", "new")
    assert victim.read_text() == "keep"


def test_a_file_goes_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert remove_file(tmp_path / "a") and not remove_file(tmp_path / "a")
