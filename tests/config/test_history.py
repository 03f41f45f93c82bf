"""The history: files that can be read as they lie there, the oldest of which go."""

import tomllib
from pathlib import Path

from pratique.config.history import History, Version


def test_the_oldest_versions_go_and_numbers_never_come_again(tmp_path: Path) -> None:
    history = History(tmp_path / "h", versions_max=3)
    for number in range(5):
        history.add(Version(0, number, "a", f"no {number}\nline"), f"text = {number}\n")
    assert [one.number for one in history.all()] == [5, 4, 3]
    assert history.text(4) == "text = 3\n" and history.text(1) is None
    (tmp_path / "h" / "000009.toml").write_text("not ours")
    assert history.add(Version(0, 9, "a", "next"), "x = 1\n").number == 10
    assert [one.number for one in history.all()] == [10, 5]


def test_a_version_is_a_file_that_can_be_used_as_it_is(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    text = '# mine\nserial = "x"\n'
    added = history.add(Version(0, 5, 'eve "quoted"', "two\nlines # and a hash", offered=False), text)
    assert history.newest() == (added, text)
    path = tmp_path / "h" / "000001.toml"
    assert tomllib.loads(path.read_text()) == {"serial": "x"}
    assert path.stat().st_mode & 0o777 == 0o600
    history.drop(1)
    assert history.newest() is None and history.all() == ()


def test_a_directory_that_is_not_there_is_an_empty_history(tmp_path: Path) -> None:
    assert History(tmp_path / "none").all() == ()
