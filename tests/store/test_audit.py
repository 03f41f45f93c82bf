"""The chain covers every field, and no two rows give the same octets."""

from dataclasses import replace

import pytest

from pratique.store.audit import GENESIS, broken_at, chained
from pratique.store.records import AuditEntry

ENTRY = AuditEntry("carol", "release", 7, "ab" * 16, '{"q": "Policy"}')


def test_an_empty_chain_holds() -> None:
    assert broken_at([]) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"number": 2},
        {"at": 6},
        {"actor": "carl"},
        {"action": "delete"},
        {"mid": 8},
        {"cid": "cd" * 16},
        {"detail": "{}"},
        {"hash": GENESIS},
    ],
)
def test_any_changed_field_breaks_it(changed: dict[str, object]) -> None:
    row = chained(GENESIS, 1, 5, ENTRY)
    assert broken_at([row]) is None
    assert broken_at([replace(row, **changed)]) == 1  # type: ignore[arg-type]


def test_moving_a_letter_between_fields_changes_the_hash() -> None:
    one = chained(GENESIS, 1, 5, AuditEntry("ab", "c"))
    two = chained(GENESIS, 1, 5, AuditEntry("a", "bc"))
    three = chained(GENESIS, 1, 5, AuditEntry("a", "b", 0, "c"))
    assert len({one.hash, two.hash, three.hash}) == 3


def test_another_first_row_is_another_chain() -> None:
    first = chained(GENESIS, 1, 5, ENTRY)
    second = chained(first.hash, 2, 5, ENTRY)
    assert broken_at([first, second]) is None
    assert broken_at([chained(GENESIS, 1, 6, ENTRY), second]) == 2


def test_text_that_is_not_unicode_is_still_chained() -> None:
    row = chained(GENESIS, 1, 5, AuditEntry("smtp:192.0.2.1", "accept", detail="\udcff"))
    assert broken_at([row]) is None
