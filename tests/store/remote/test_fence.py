"""A second store waits for the edges of the first to end, and says whom it waits for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.store.moves import StoreFailed
from pratique.store.remote.fence import Fence


def test_it_is_free_again_when_it_is_closed(tmp_path: Path) -> None:
    for _ in range(2):
        Fence(tmp_path, wait_seconds=0).close()


def test_a_process_that_inherited_it_holds_it_on(tmp_path: Path) -> None:
    fence = Fence(tmp_path, wait_seconds=0)
    heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(fence.fd,))
    fence.close()
    with pytest.raises(StoreFailed, match=r"edges\.lock open; find it with `fuser`"):
        Fence(tmp_path, wait_seconds=0)
    assert heir.stdin is not None
    heir.stdin.close()
    heir.wait(10)
    Fence(tmp_path, wait_seconds=0).close()


def test_a_refused_one_leaves_no_file_open(tmp_path: Path) -> None:
    fence = Fence(tmp_path, wait_seconds=0)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreFailed):
        Fence(tmp_path, wait_seconds=0)
    assert len(os.listdir("/proc/self/fd")) == before
    fence.close()
