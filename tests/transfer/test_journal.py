import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.transfer import journal
from pratique.transfer.messages import Row
from tests.transfer.support import SEAL, xid

STATES = ["X", "DONE", "LOC", "ACC", "CANC", "HELD", "REL", "RELD", "DEL", "FIN", "CLOSED", "DOUBT"]


@given(
    st.sampled_from(STATES),
    st.sampled_from([SEAL, "-"]),
    st.dictionaries(
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=12), st.text(max_size=20), max_size=3
    ),
)
def test_a_row_of_any_state_comes_back(state: str, seal: str, pairs: dict[str, str]) -> None:
    row = Row(7, state, xid(3, 2), seal, 1795490000000, tuple(pairs.items()))
    if any("\ud800" <= c <= "\udfff" for value in pairs.values() for c in value):
        return
    assert journal.decode_rows(journal.encode_rows((row,)), after=6, last=7) == (row,)


def test_a_row_without_seal_is_written_with_a_dash() -> None:
    assert journal.encode_row(Row(7, "DEL", xid(3), "", 5)) == f"7 DEL {xid(3)} - 5".encode()


@pytest.mark.parametrize(
    "row",
    [
        Row(7, "GONE", xid(3), "-", 5),
        Row(7, "DEL", "x", "-", 5),
        Row(7, "DEL", xid(3), "-", 5, (("why", "x"),)),
        Row(7, "DEL", xid(3), "-", 5, (("WHY", "x" * 1000),)),
    ],
)
def test_what_no_peer_could_read_is_not_written(row: Row) -> None:
    with pytest.raises(ValueError, match="row 7"):
        journal.encode_row(row)


def test_no_rows_are_an_empty_payload() -> None:
    assert journal.decode_rows(b"", after=5, last=9) == ()
    assert journal.payload_digest(b"") == hashlib.sha256(b"").hexdigest()


def test_a_number_that_no_store_holds_is_no_row() -> None:
    with pytest.raises(ValueError):
        journal.decode_row(f"9999999999999999999 DEL {xid(3)} - 5".encode())
