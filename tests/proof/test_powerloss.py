"""Power loss in its short form, and every product that is broken on purpose is found."""

import pytest

from proof.durable import mutants
from tests.proof.test_crashpoints import run


def test_no_state_after_a_power_failure_lacks_what_was_acknowledged() -> None:
    code, figures, said = run("powerloss", "quick")
    assert code == 0, said
    assert figures["states"] >= 250
    assert figures["violations"] == 0
    assert figures["lives"] >= 8


@pytest.mark.parametrize("name", sorted(mutants.POWER))
def test_a_product_that_is_broken_on_purpose_is_found(name: str) -> None:
    code, figures, said = run("powerloss", "quick", "--mutant", name)
    assert code == 1, said
    assert figures["violations"] > 0


def test_a_mounted_file_system_that_forgets_is_survived() -> None:
    code, figures, said = run("crashfs", "--states", "20")
    assert code == 0, said
    assert figures["states"] == 20
    assert figures["acknowledged"] > 0


def test_a_mounted_file_system_finds_a_log_that_is_not_synced() -> None:
    code, figures, said = run("crashfs", "--states", "40", "--mutant", "sqlite-normal")
    assert code == 1, said
    assert figures["violations"] > 0
