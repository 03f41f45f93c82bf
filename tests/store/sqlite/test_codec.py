"""A copy that is stored and read back is the same copy, whatever its envelope."""

from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.records import Extent, NewCopy
from pratique.store.sqlite.codec import copy_of, copy_row, fold, origin_serial_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ADDRESS = st.one_of(st.sampled_from(["", "a@example.org", "ä@example.org", "a\nb@example.org"]), TEXT)
RECIPIENT = st.builds(Recipient, ADDRESS, st.sampled_from(["", "NEVER"]), st.sampled_from(["", "rfc822;a@b"]))
PLAIN = st.builds(Recipient, ADDRESS)
ENVELOPE = st.builds(
    Envelope,
    sender=ADDRESS,
    recipients=st.one_of(st.lists(PLAIN, max_size=3), st.lists(RECIPIENT, max_size=3)).map(tuple),
    eight_bit=st.booleans(),
    smtputf8=st.booleans(),
    ret=st.sampled_from(["", "FULL"]),
    envid=TEXT,
)


def copy(envelope: Envelope, **fields: Any) -> NewCopy:
    base: dict[str, Any] = {
        "mid": 1,
        "cid": "0f" * 16,
        "hop": 1,
        "custody": "ACTIVE",
        "icid": 3,
        "at": 4,
        "extent": Extent(1, 2, 3),
        "sha256": "ab" * 32,
    }
    return NewCopy(envelope=envelope, **base | fields)


@given(ENVELOPE, TEXT, st.binary(max_size=20))
def test_what_is_stored_is_read_back(envelope: Envelope, text: str, context: bytes) -> None:
    new = copy(
        envelope,
        subject=text,
        from_header=text,
        message_id=text,
        parent=text,
        origin_serial=text,
        origin_host=text,
        origin_ip=text,
        origin_mid=9,
        context=context,
        attachments='[["a.txt", 4]]',
    )
    row = copy_row(new, version=5)
    stored = asdict(copy_of(row))
    for name, value in asdict(new).items():
        if name in stored:
            assert stored[name] == value, name
    assert (stored["version"], stored["size"]) == (5, 3)
    assert origin_serial_of(row[19]) == text


def test_a_body_that_was_let_go_has_no_place() -> None:
    row = list(copy_row(copy(Envelope("", (Recipient("a@b"),)))))
    row[6] = row[7] = None
    stored = copy_of(row)
    assert stored.extent is None
    assert stored.size == 3


def test_only_letters_beyond_ascii_are_folded() -> None:
    assert fold("Offer") is None
    assert fold("GRÜSSE") == "grüsse"
