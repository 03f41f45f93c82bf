"""Rows that contradict each other, one rule at a time; and the pairs that the custody tables allow."""

import pytest

from pratique.store.fsck.custody import transfers_of
from tests.store.fsck.conftest import Place

GATEWAY_WRONG = {
    "UPDATE copy SET segment = NULL WHERE mid = :active": ("rows", "active", "its body is needed and was let go"),
    "UPDATE copy SET idle_since = -1 WHERE mid = :queued": ("rows", "queued", "marked to be let go"),
    "UPDATE copy SET idle_since = NULL WHERE mid = :settled": ("rows", "settled", "would never be let go"),
    "UPDATE delivery SET state = 'FAILED' WHERE mid = :active": ("rows", "active", "no delivery is open"),
    "UPDATE delivery SET state = 'DUE' WHERE mid = :settled": ("rows", "settled", "a delivery is open"),
    "UPDATE transfer SET state = 'DONE' WHERE mid = :queued": (
        "custody",
        "queued",
        "it is Q, and its transfer is DONE",
    ),
    "UPDATE transfer SET state = 'DONE' WHERE mid = :local": (
        "custody",
        "local",
        "it is LOC, and its transfer is DONE",
    ),
    "UPDATE transfer SET state = 'CANC' WHERE mid = :done": ("custody", "done", "it is DONE, and its transfer is CANC"),
    "DELETE FROM transfer WHERE mid = :doubt": ("custody", "doubt", "it is X, and its transfer is missing"),
    "UPDATE delivery SET mid = 999 WHERE mid = :gone": ("rows", "", "a delivery of a copy that does not exist"),
    "UPDATE meta SET mid = 1": ("rows", "", "the highest number given is said to be 1"),
    "UPDATE meta SET seq = 0": ("rows", "", "the highest number given is said to be 0"),
    "UPDATE copy SET hop = 2 WHERE mid = :gone": ("rows", "gone", "nothing remembers that it was taken"),
}
MANAGER_WRONG = {
    "UPDATE hold SET mark = 'RELEASED', actor = 'x' WHERE mid = :held": ("rows", "held", "held in no quarantine"),
    "UPDATE hold SET mark = 'HELD', actor = '' WHERE mid = :released": ("rows", "released", "though it has left"),
    "UPDATE hold SET mark = 'DELETED' WHERE mid = :closed": (
        "rows",
        "closed",
        "released, though a quarantine deleted it",
    ),
    "UPDATE hold SET mark = 'RELEASED' WHERE mid = :deleted": ("rows", "deleted", "though no quarantine did it"),
    "UPDATE hold SET quarantine = 'No' WHERE mid = :held": ("rows", "held", "a quarantine that does not exist"),
    "DELETE FROM tombstone": ("rows", "held", "nothing remembers that it was taken"),
    "DELETE FROM journal": ("rows", "deleted", "deleted, and its gateway is never told"),
    "DELETE FROM copy WHERE mid = :held": ("rows", "held", "a hold of a copy that does not exist"),
    "UPDATE transfer SET state = 'DONE' WHERE mid = :releasing": (
        "custody",
        "releasing",
        "it is REL, and its transfer",
    ),
    "UPDATE transfer SET state = 'X' WHERE mid = :released": (
        "custody",
        "released",
        "it is RELD, and its transfer is X",
    ),
    "UPDATE transfer SET mid = 999 WHERE mid = :closed": ("rows", "", "a transfer of a copy that does not exist"),
}


def _breaks(place: Place, statement: str, expected: tuple[str, str, str]) -> None:
    kind, name, what = expected
    mids = {f":{key.split()[-1]}": str(mid) for key, mid in place.mids.items() if key != "held too"}
    for key in sorted(mids, key=len, reverse=True):
        statement = statement.replace(key, mids[key])
    place.sql(statement)
    found = [(k, mid, text) for k, mid, text in place.found() if k == kind and what in text]
    assert found, place.found()
    if name:
        assert place.mids.get("in doubt" if name == "doubt" else name) in {mid for _, mid, _ in found}


@pytest.mark.parametrize("statement", GATEWAY_WRONG)
async def test_a_gateway_s_rows_that_contradict_each_other_are_named(gateway: Place, statement: str) -> None:
    _breaks(gateway, statement, GATEWAY_WRONG[statement])


@pytest.mark.parametrize("statement", MANAGER_WRONG)
async def test_a_manager_s_rows_that_contradict_each_other_are_named(manager: Place, statement: str) -> None:
    _breaks(manager, statement, MANAGER_WRONG[statement])


def test_what_a_transfer_may_be_follows_from_the_tables() -> None:
    gateway, manager = transfers_of("gateway"), transfers_of("manager")
    assert gateway["X"] == {"X", "STUCK"}
    assert gateway["DONE"] == {"DONE"}
    assert gateway["LOC"] == {"CANC"}
    assert manager["REL"] == {"X", "STUCK", "CANC"}
    assert manager["RELD"] == {"DONE"}
    assert manager["CLOSED"] == {"DONE", "CANC", ""}
    assert manager["HELD"] == {""}
