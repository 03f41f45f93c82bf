"""The simulation in its short form: a hundred seeds keep every promise, a seed replays to the letter, and the mutants
are noticed. `make sim SEEDS=2500` is the long form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.__main__ import shown
from tests.sim.mutants import MUTANTS
from tests.sim.plans import TIMED, plan_of
from tests.sim.world import run_seed

ROOT = Path(__file__).parents[2]
SEEDS = 100
CAUGHT_WITHIN = 12  # seeds


def _simulate(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.sim", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_a_hundred_seeds_keep_every_promise() -> None:
    done = _simulate("--seeds", str(SEEDS), "--processes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["seeds"] == SEEDS
    assert figures["messages"] > 10 * SEEDS
    assert {"delivered", "held", "deleted", "bounced", "drop"} <= figures["fates"].keys()
    # Not by chance: a kind of fault that no seed draws any more would be missed by nobody.
    kinds = {*TIMED, "lost answer", *(f"connection {style}" for style in ("zombie", "lost", "reset", "mute"))}
    assert kinds <= figures["injected"].keys()


def test_a_seed_replays_to_the_letter() -> None:
    """Also in another process, whatever its hash seed was: the command starts itself anew with the fixed one."""
    first, again = _simulate("--seed", "18"), _simulate("--seed", "18", hash_seed="77")
    assert first.stdout == again.stdout
    assert "all promises kept, trace " in first.stdout.splitlines()[-1]
    other = _simulate("--seed", "19")
    assert other.stdout.splitlines()[-1] != first.stdout.splitlines()[-1]


def test_what_ran_before_does_not_matter() -> None:
    alone = run_seed(31).trace
    run_seed(32)
    assert run_seed(31).trace == alone


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str) -> None:
    mutant = MUTANTS[name]
    for seed in range(1, CAUGHT_WITHIN + 1):
        plan = mutant.plan(plan_of(seed))
        with mutant.inject():
            outcome = run_seed(seed, plan=plan)
        if outcome.broken:
            rules = {line.partition(":")[0] for line in outcome.broken}
            assert rules & {*mutant.caught_by}, outcome.broken
            with mutant.inject():
                assert run_seed(seed, plan=plan).trace == outcome.trace  # and it replays
            assert run_seed(seed, plan=plan).broken == []  # and it was the mutant
            return
    pytest.fail(f"{mutant.says} Nobody noticed in {CAUGHT_WITHIN} seeds.")


def test_a_failing_seed_says_how_it_is_replayed() -> None:
    with MUTANTS["dot without intent"].inject():
        outcome = run_seed(1)
    lines = shown(outcome)
    assert "`make sim SEED=1`" in lines[0]
    assert "without an intent on the disk" in lines[1]
