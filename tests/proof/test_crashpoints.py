"""The crash points in their short form, and every product that is broken on purpose is found.

Each runs as its own command, as `make crashpoints` does: the shim must stand before the process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proof.durable import mutants, shim

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: str, seconds: float = 110.0) -> tuple[int, dict[str, Any], str]:
    """Exit status, the figures of the last line, all that was printed."""
    command = [sys.executable, "-m", f"proof.durable.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    forbidden = module == "crashfs"  # a container may forbid FUSE; programs that are missing can be installed
    if done.returncode == 3 and (forbidden or os.environ.get("CI") != "true"):
        pytest.skip(done.stderr.strip())
    lines = done.stdout.splitlines()
    figures = json.loads(lines[-1])[module] if lines and lines[-1].startswith("{") else {}
    return done.returncode, figures, done.stdout + done.stderr


def test_nothing_acknowledged_is_lost_at_any_point_of_a_sample() -> None:
    code, figures, said = run("crashpoints", "quick")
    assert code == 0, said
    assert figures["points"] >= 40
    assert figures["real_starts"] == 1
    assert figures["passed_by"] == figures["not_in_the_list"] == figures["met_by_no_run"] == []
    assert figures["calls_seen_by_the_kernel"] > 100


@pytest.mark.parametrize("name", sorted(mutants.CRASH))
def test_a_product_that_is_broken_on_purpose_is_found(name: str) -> None:
    code, figures, said = run("crashpoints", "quick", "--mutant", name)
    assert code == 1, said
    assert figures["caught"] is True
    assert "VIOLATED" in said


def test_without_a_compiler_the_proof_is_refused_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(shim.Unavailable, match="install gcc"):
        shim.make(tmp_path)


def test_a_compiler_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/bin/false")
    with pytest.raises(shim.Unavailable, match=r"/bin/false cannot make the shim"):
        shim.make(tmp_path)


def test_the_command_ends_with_three_when_it_cannot_be_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proof.durable.crashpoints", "quick"]
    environment = {**os.environ, "PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("CC", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "install gcc" in done.stderr
