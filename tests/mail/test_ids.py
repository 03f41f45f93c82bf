import pytest

from pratique.mail.ids import HOP_MAX, is_cid, make_cid, make_xid, parse_xid

CID = "0" * 31 + "a"


def test_a_cid_is_time_then_randomness_so_that_later_ids_sort_behind():
    early = make_cid(1_700_000_000_000, b"\xff" * 10)
    late = make_cid(1_700_000_000_001, b"\x00" * 10)
    assert early < late
    assert is_cid(early)
    assert early.endswith("f" * 20)


def test_a_cid_needs_ten_random_bytes():
    with pytest.raises(AssertionError):
        make_cid(0, b"123")


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 32 + "\n"])
def test_what_is_no_cid(text):
    assert not is_cid(text)


def test_an_xid_names_copy_and_hop():
    assert parse_xid(make_xid(CID, 1)) == (CID, 1)
    assert parse_xid(make_xid(CID, HOP_MAX)) == (CID, HOP_MAX)
    for hop in (0, HOP_MAX + 1):
        with pytest.raises(AssertionError):
            make_xid(CID, hop)


@pytest.mark.parametrize("text", [CID, f"{CID}.0", f"{CID}.1000", f"{CID}.01", f"{CID}.1\n", f"{CID}.x"])
def test_what_is_no_xid(text):
    with pytest.raises(ValueError, match="not a transfer id"):
        parse_xid(text)
