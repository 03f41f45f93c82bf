"""What is staged: one file for each person and level, wherever the name would like to lead."""

from pathlib import Path

import pytest

from pratique.config.staged import Staged, StagedFiles, everybody

TEXT = Staged("base = 1\n", "base = 2\n")


@pytest.mark.parametrize("who", ["admin", "local:root", "../../etc/passwd", "a/b", "..", "é", "a@group x", ""])
def test_a_name_is_a_file_of_the_directory_and_of_nobody_else(who: str, tmp_path: Path) -> None:
    files = StagedFiles(tmp_path / "staged")
    files.put(who, TEXT)
    files.put("other", Staged("", "x"))
    assert files.get(who) == TEXT
    assert len(list((tmp_path / "staged").iterdir())) == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != tmp_path / "staged"] == []
    assert files.drop(who) and not files.drop(who)
    assert files.get(who) is None and files.get("other") is not None


def test_levels_do_not_meet(tmp_path: Path) -> None:
    machine, group = StagedFiles(tmp_path), StagedFiles(tmp_path, "group x")
    machine.put("a", TEXT)
    assert group.get("a") is None and machine.get("a@group x") is None
    group.put("a", Staged("", "y"))
    assert machine.get("a") == TEXT and machine.get("a@group x") is None


def test_a_file_that_is_none_of_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match="clearchanges"):
        StagedFiles(tmp_path).get("a")


def test_what_everybody_has_staged_is_found_at_every_level(tmp_path: Path) -> None:
    assert list(everybody(tmp_path / "nowhere")) == []
    staged = Staged("a", "b")
    for who, mark in (("anna@x/../y", ""), ("anna@x/../y", "group Main@2"), ("bob", "cluster")):
        StagedFiles(tmp_path, mark).put(who, staged)
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "notes.txt").write_text("x")
    assert sorted(everybody(tmp_path), key=str) == [
        ("anna@x/../y", "", staged),
        ("anna@x/../y", "group Main@2", staged),
        ("bob", "cluster", staged),
    ]
