"""The file of a member."""

import os
from pathlib import Path

import pytest

from pratique.fleet import cluster_file
from pratique.fleet.cluster import Author, Contact, new_cluster
from pratique.fleet.cluster_file import FILE, Membership
from pratique.fleet.replica import StateUnreadable

ADMIN = Author("SERIAL1", "admin", 1_000)


def membership() -> Membership:
    cluster = new_cluster("ident", "site", ADMIN)
    cluster = cluster.with_member(Contact("SERIAL1", "gw1", "192.0.2.1", 2222, "h", "c"), cluster.groups()[0], ADMIN)
    ident = cluster.members()[0].ident
    return Membership(ident, cluster.state, frozenset(("x",)), {"policy": "[gateway.policy]\n"}, {"virus": "why"})


def test_what_is_written_is_read_and_nobody_else_reads_it(tmp_path: Path) -> None:
    assert cluster_file.read(tmp_path) is None
    cluster_file.write(tmp_path, membership())
    assert cluster_file.read(tmp_path) == membership()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    cluster_file.remove(tmp_path)
    assert cluster_file.read(tmp_path) is None


def test_a_write_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_file.write(tmp_path, membership())

    def broken(descriptor: int) -> None:
        raise OSError(5, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="I/O error"):
            cluster_file.write(tmp_path, Membership("m-other", membership().state))
    assert cluster_file.read(tmp_path) == membership()
    cluster_file.write(tmp_path, membership())  # what the break left is no hindrance
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


@pytest.mark.parametrize("text", ["", "{}", '{"member": 3}', "[]"])
def test_a_file_that_is_none_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StateUnreadable, match="put it back from a backup"):
        cluster_file.read(tmp_path)


def test_a_file_of_another_member_is_refused(tmp_path: Path) -> None:
    cluster_file.write(tmp_path, Membership("m-nobody", membership().state))
    with pytest.raises(StateUnreadable, match="does not know this machine"):
        cluster_file.read(tmp_path)
