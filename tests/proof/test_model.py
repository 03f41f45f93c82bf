"""The proof itself, in its short form: the design holds, every mutant is caught, and no safeguard lacks a mutant."""

import json

import pytest

from pratique.delivery.recovery import ANSWER, Told
from proof.model import DESIGNS, QUICK, main
from proof.mutants import CHANGED, MUTANTS, SMALL
from proof.rules import TABLES, Rules, Safeguard
from proof.search import search


@pytest.mark.parametrize("name", QUICK)
def test_the_design_holds(name: str) -> None:
    found = search(QUICK[name])
    assert found.error == "", "\n".join(found.trace)
    assert found.states > 1000, "a run that sees next to nothing proves nothing"


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_caught(name: str) -> None:
    found = search(MUTANTS[name].rules)
    assert found.error, f"{MUTANTS[name].says} Nobody noticed."
    assert not found.error.startswith("TOO MANY")
    assert found.trace


def test_every_safeguard_has_a_mutant() -> None:
    assert {mutant.rules.without for mutant in MUTANTS.values()} - {None} == set(Safeguard)


@pytest.mark.parametrize(
    "table", ["group", "cancel", "gateway", "manager", "reconcile", "adopt", "adopt_release", "came"]
)
def test_every_row_of_every_table_has_a_mutant(table: str) -> None:
    changed = {row if len(row) > 1 else row[0] for name, row, _, _ in CHANGED if name == table}
    assert set(getattr(TABLES, table)) <= changed


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 28


def test_mutants_are_caught_where_the_design_is_known_to_hold() -> None:
    """Either in the same run, or in one that may do everything the mutant's may, and more."""
    proved = list(DESIGNS.values())
    for mutant in MUTANTS.values():
        small = SMALL[mutant.scenario]
        assert small in proved or any(_covers(more, small) for more in proved)


def _covers(more: Rules, less: Rules) -> bool:
    counts = all(getattr(more, name) >= getattr(less, name) for name in ("crashes", "restores", "rollbacks"))
    flags = ("fallback", "fallback_unsent", "failover", "override", "reoffer", "prune")
    return (
        counts and all(getattr(more, name) >= getattr(less, name) for name in flags) and more.stranger == less.stranger
    )


def test_a_trace_names_the_steps_to_the_harm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutant", "no-cancel-first"]) == 0
    printed = capsys.readouterr().out
    assert "G gives up waiting and falls back" in printed
    figures = json.loads(printed.splitlines()[-1])
    assert (figures["good"], figures["mutants"], figures["caught"]) == (True, 1, 1)


def test_one_design_can_be_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", "prune"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["designs"]["prune"]["states"] > 1000


def test_a_failing_design_is_shown_and_told_by_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DESIGNS, "prune", MUTANTS["no-prune-late"].rules)
    assert main(["design", "prune"]) == 1
    printed = capsys.readouterr().out
    assert "M prunes the tombstone of hop 1" in printed
    assert json.loads(printed.splitlines()[-1])["good"] is False


def test_an_uncaught_mutant_is_told_by_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from proof import model

    harmless = model.MUTANTS["no-prune-late"]
    monkeypatch.setitem(model.MUTANTS, "no-prune-late", type(harmless)("no-prune-late", "", "prune", SMALL["prune"]))
    assert main(["mutant", "no-prune-late"]) == 1
    assert "NOT CAUGHT" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["mutant", "no-such"], ["design", "no-such"], ["nonsense"], ["quick", "extra"]])
def test_wrong_usage_lists_the_names(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "no-cancel-first" in capsys.readouterr().err


@pytest.mark.parametrize("told", list(ANSWER))
def test_what_reconciling_answers_at_once_is_no_safeguard(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the ordinary answers come later; so it has no mutant."""
    monkeypatch.delitem(ANSWER, told)
    assert search(SMALL["restore"]).error == ""
