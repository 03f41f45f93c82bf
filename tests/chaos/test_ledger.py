"""The ledger finds what it is there to find: each fault is planted, alone, and must be the only difference."""

from collections.abc import Callable

import pytest

from tests.chaos.ledger import Ledger
from tests.chaos.mails import Mail

SEED = 7


def _number(fate: str) -> int:
    return next(n for n in range(10_000) if Mail(n, SEED).fate == fate)


PLAIN, RELEASED, DELETED, KEPT, REFUSED = map(
    _number, ("plain", "hold-release", "hold-delete", "hold-keep", "plain-refused")
)


def _address(number: int) -> str:
    return Mail(number, SEED).recipients[0]


@pytest.fixture
def ledger() -> Ledger:
    """Five mails that went as they should."""
    ledger = Ledger()
    ledger.many(
        "place",
        [
            (_address(PLAIN), "delivered", "gw1", 1, 0),
            (_address(RELEASED), "delivered", "gw1", 5, 2),
            (_address(DELETED), "deleted", "sma", 2, 1),
            (_address(KEPT), "held", "sma", 3, 1),
            (_address(REFUSED), "bounced", "gw1", 4, 0),
            (f"s{REFUSED}@outside.example", "delivered", "gw1", 6, 0),
        ],
    )
    ledger.many("copy", [(_address(n), "gw1", 0) for n in (PLAIN, RELEASED, DELETED, KEPT, REFUSED)])
    ledger.many("copy", [(_address(n), "sma", 1) for n in (RELEASED, DELETED, KEPT)])
    ledger.many("copy", [(_address(RELEASED), "gw1", 2)])
    ledger.many("decided", [(2, "admin")])
    ledger.many(
        "arrived",
        [(_address(PLAIN), 1, 0), (_address(RELEASED), 1, 0), (f"s{REFUSED}@outside.example", 1, 0)],
    )
    return ledger


def _close(ledger: Ledger, *, told: dict[int, str] | None = None) -> list[tuple[str, str]]:
    everyone = dict.fromkeys((PLAIN, RELEASED, DELETED, KEPT, REFUSED), "250")
    ledger.told({**everyone, **(told or {})}, SEED)
    return ledger.differences()


def test_what_went_well_leaves_no_difference(ledger: Ledger) -> None:
    assert _close(ledger) == []
    assert ledger.inner_duplicates() == []
    assert ledger.border_duplicates() == (0, [])
    assert ledger.places() == {"delivered": 3, "deleted": 1, "held": 1, "bounced": 1}


Plant = Callable[[Ledger], object]
PLANTED: dict[str, tuple[Plant, int, str]] = {
    "lost": (lambda x: x.db.execute("DELETE FROM place WHERE place = 'held'"), KEPT, "lost: it is nowhere"),
    "twice": (
        lambda x: x.many("place", [(_address(KEPT), "delivered", "gw1", 9, 2)]),
        KEPT,
        "twice: ",
    ),
    "queued": (
        lambda x: x.db.execute("UPDATE place SET place = 'queued' WHERE place = 'held'"),
        KEPT,
        "not at its end: queued in sma",
    ),
    "never came": (
        lambda x: x.db.execute("DELETE FROM arrived WHERE address = ?", (_address(PLAIN),)),
        PLAIN,
        "delivered, says the gateway; it never came",
    ),
    "came and is deleted": (
        lambda x: x.many("arrived", [(_address(DELETED), 1, 0)]),
        DELETED,
        "it came though it is deleted in sma",
    ),
    "nobody's": (lambda x: x.many("arrived", [("m999999.0@x", 1, 0)]), -1, "it came and nobody owed it"),
    "no act": (lambda x: x.db.execute("DELETE FROM decided"), DELETED, "deleted without a recorded act"),
    "altered": (
        lambda x: x.db.execute("UPDATE arrived SET identical = 0 WHERE address = ?", (_address(PLAIN),)),
        PLAIN,
        "altered on its way",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_the_only_difference(ledger: Ledger, fault: str) -> None:
    plant, number, what = PLANTED[fault]
    plant(ledger)
    (found,) = _close(ledger)
    assert found[0] == (_address(number) if number >= 0 else "m999999.0@x")
    assert found[1].startswith(what)


def test_a_mail_that_was_refused_and_is_there_is_a_phantom(ledger: Ledger) -> None:
    assert (_address(KEPT), "a phantom: it was refused and is held") in _close(ledger, told={KEPT: "451"})


def test_a_mail_whose_answer_was_lost_may_be_there_or_not_and_when_it_is_counts(ledger: Ledger) -> None:
    absent = _number("hold-contest")
    assert _close(ledger, told={KEPT: "", absent: ""}) == []
    assert ledger.places()["held"] == 1
    ledger.db.execute("DELETE FROM place WHERE place = 'held'")
    assert ledger.differences() == [(_address(KEPT), "lost: it is nowhere")]


def test_a_notice_that_never_went_out_is_lost_mail(ledger: Ledger) -> None:
    notice = f"s{REFUSED}@outside.example"
    ledger.db.execute("DELETE FROM place WHERE address = ?", (notice,))
    assert (notice, "lost: it is nowhere") in _close(ledger)


def test_two_rows_of_one_hop_are_an_inner_duplicate(ledger: Ledger) -> None:
    ledger.many("copy", [(_address(KEPT), "sma", 1)])
    ledger.many("copy", [(_address(RELEASED), "gw2", 2)])
    assert sorted(ledger.inner_duplicates()) == sorted([(_address(KEPT), 1, 2), (_address(RELEASED), 2, 2)])


@pytest.mark.parametrize(
    ("marked", "lost", "explained"), [(1, 1, True), (0, 1, False), (1, 0, False), (0, 0, False), (1, 2, True)]
)
def test_a_second_arrival_needs_a_lost_answer_and_a_mark(
    ledger: Ledger, *, marked: int, lost: int, explained: bool
) -> None:
    ledger.many("arrived", [(_address(PLAIN), 1, marked)])
    ledger.many("lost_answer", [(_address(PLAIN), lost)] if lost else [])
    times, wrong = ledger.border_duplicates()
    assert times == 1
    assert bool(wrong) is not explained


def test_lost_answers_of_two_kinds_add_up(ledger: Ledger) -> None:
    ledger.many("arrived", [(_address(PLAIN), 1, 1)] * 2)
    ledger.many("lost_answer", [(_address(PLAIN), 1), (_address(PLAIN), 1)])
    assert ledger.border_duplicates() == (2, [])
