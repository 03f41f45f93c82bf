"""The short form of `make chaos`: fifteen seconds of kill -9, partitions and lost replies, and the ledger."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.needed import need_namespaces

ROOT = Path(__file__).parents[2]
SECONDS, MAILS = "15", "300"


@pytest.mark.timeout(300)  # half a minute on a quiet machine
def test_nothing_is_lost_doubled_or_altered() -> None:
    need_namespaces()
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seconds", SECONDS, "--mails", MAILS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["ledger_differences"] == figures["inner_duplicates"] == figures["wrong"] == 0
    assert figures["accepted"] > 30
    assert sum(figures["kills"].values()) >= 6
