"""Is fdatasync believed? What is measured is real, what is concluded is a table."""

import os
from pathlib import Path

import pytest

from pratique.store import honesty
from pratique.store.honesty import HONEST_SECONDS_MIN, doubt_of, measure, mounted

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
40 21 0:33 / /run rw,nosuid - tmpfs tmpfs rw,size=100k
41 21 254:1 / /srv/my\\040mail rw - ext4 /dev/vdb rw,nobarrier
42 21 254:1 /old /srv/over rw - ext4 /dev/vdb rw
43 21 0:40 / /srv/over rw - xfs /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("median", "kind", "options", "doubt"),
    [
        (0.001, "ext4", "rw,relatime", ""),
        (0.000_03, "xfs", "rw", ""),
        (0.000_001, "ext4", "rw", "no disk is known to be that fast"),
        (0.001, "tmpfs", "rw", "keeps nothing when the power fails"),
        (0.001, "ext4", "rw,nobarrier", "mounted with nobarrier"),
        (0.001, "ext4", "rw,barrier=0", "mounted with barrier=0"),
        (HONEST_SECONDS_MIN, "", "", ""),
    ],
)
def test_what_is_doubted(median: float, kind: str, options: str, doubt: str) -> None:
    found = doubt_of(median, kind, options)
    assert (doubt in found) if doubt else found == ""


def test_the_innermost_and_newest_mount_counts(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert mounted("/srv/mail", str(table))[0] == "ext4"
    assert mounted("/run/x", str(table))[0] == "tmpfs"
    assert mounted("/runner", str(table))[0] == "ext4"
    assert "nobarrier" in mounted("/srv/my mail/spool", str(table))[1]
    assert mounted("/srv/over/x", str(table))[0] == "xfs"
    assert mounted("/", str(tmp_path / "none")) == ("", "")


def test_a_measurement_leaves_nothing_and_a_lying_sync_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measure(str(tmp_path)).median_s > 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    monkeypatch.setattr(os, "pwrite", lambda fd, octets, at: len(octets))
    monkeypatch.setattr(honesty, "mounted", lambda directory: ("ext4", "rw"))
    assert "no disk is known to be that fast" in measure(str(tmp_path)).doubt


def test_a_slow_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    monkeypatch.setattr(honesty, "SECONDS_MAX", 0.0)
    measure(str(tmp_path))
    assert len(calls) == 1
