"""Numbers of connections, and audit entries."""

import itertools

from pratique.runner.services import NUMBERS_GAP, Numbers, audit
from pratique.store.records import AuditEntry


def test_connection_numbers_of_two_runs_do_not_meet() -> None:
    first, second = Numbers(), Numbers.starting_at(1 + NUMBERS_GAP)
    used = set(itertools.islice(first.icid, 1000)) | set(itertools.islice(first.dcid, 500))
    assert min(used) == 1
    assert used.isdisjoint(itertools.islice(second.icid, 1000))
    assert next(second.dcid) == 1 + NUMBERS_GAP  # ICID and DCID count on their own


def test_more_numbers_are_reserved_before_they_are_used_up() -> None:
    numbers = Numbers.starting_at(1)
    assert numbers.wanted() == 0
    assert numbers.icid.block(NUMBERS_GAP // 2) == 1
    assert next(numbers.icid) == 1 + NUMBERS_GAP // 2
    numbers.reserved = wanted = numbers.wanted()
    assert wanted == numbers.icid.reached + NUMBERS_GAP
    assert numbers.wanted() == 0


def test_an_audit_entry_names_who_and_what() -> None:
    assert audit("carol", "release", 7, "ab" * 16, detail="{}") == AuditEntry("carol", "release", 7, "ab" * 16, "{}")
    assert audit("system", "start") == AuditEntry("system", "start", 0, "", "")
