"""Searching what is held: who sees what, text tests with negations, order, pages, totals (docs/rest.md, "Messages")."""

from typing import Any

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.interface import Search, TextTest
from tests.conformance.conftest import Bench
from tests.conformance.samples import NOW, hold


@pytest.fixture
async def shelf(manager: Bench) -> Bench:
    """Four messages, numbered 0 to 3 in `shelf.mids`."""
    rows: list[dict[str, Any]] = [
        {"sender": "Alice@Example.org", "to": ["bob@example.com"], "subject": "Offer 100%", "exit": 40},
        {
            "sender": "mallory@example.net",
            "to": ["carl@example.com", "Bob@example.com"],
            "subject": "offer_x",
            "exit": 10,
        },
        {"sender": "", "to": ["dora@example.com"], "subject": "ÄRGER mit Öl", "exit": 30},
        {"sender": "zoe@example.org", "to": ["eve@example.net"], "subject": "", "exit": 20},
    ]
    attachments = ("[]", '[["Invoice.PDF",1000]]', '[["a.zip",200],["b.pdf",5000]]', '[["c.txt",50]]')
    names = (("Policy",), ("Policy", "Virus"), ("Virus",), ("Secret",))
    mids = []
    for index, row in enumerate(rows):
        recipients = tuple(Recipient(address) for address in row["to"])
        copy = await manager.samples.accepted(
            "HELD",
            body=manager.samples.body(b"x" * (400 - 100 * index)),
            envelope=Envelope(row["sender"], recipients),
            subject=row["subject"],
            origin_ip=f"192.0.2.{index}",
            attachments=attachments[index],
            holds=tuple(hold(name, received=NOW + index, exit_at=NOW + row["exit"]) for name in names[index]),
        )
        mids.append(copy.mid)
    manager.mids = mids  # type: ignore[attr-defined]
    return manager


ALL = ("Policy", "Virus", "Secret")


def find(shelf: Any, quarantines: tuple[str, ...] = ALL, **fields: Any) -> list[int]:
    """The numbers of the found messages, in their order; the total agrees."""
    found = shelf.view.search(Search(quarantines, **fields))
    numbers = [shelf.mids.index(copy.mid) for copy, _ in found.copies]
    assert found.total == len(numbers)
    return numbers


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (("Policy",), [1, 0]),
        (("Virus",), [2, 1]),
        (("Policy", "Virus"), [2, 1, 0]),
        (("Secret", "Nowhere"), [3]),
        (("policy",), []),
        ((), []),
    ],
)
async def test_only_the_named_quarantines_are_searched(shelf: Bench, names: tuple[str, ...], seen: list[int]) -> None:
    assert find(shelf, names) == seen


async def test_each_message_comes_once_with_all_its_holds(shelf: Bench) -> None:
    found = shelf.view.search(Search(("Virus",)))
    holds = {copy.subject: sorted(one.quarantine for one in holds) for copy, holds in found.copies}
    assert holds == {"offer_x": ["Policy", "Virus"], "ÄRGER mit Öl": ["Virus"]}


async def test_what_left_a_quarantine_is_not_found_there(shelf: Any) -> None:
    await shelf.do(shelf.samples.exit_hold(shelf.mids[1], "DELETED", quarantine="Policy"))
    assert find(shelf, ("Policy",)) == [0]
    assert find(shelf, ("Virus",)) == [2, 1]
    await shelf.do(shelf.samples.exit_hold(shelf.mids[1], "RELEASED", quarantine="Virus"))
    assert find(shelf) == [3, 2, 0]


async def test_the_time_of_receipt_bounds_the_search(shelf: Bench) -> None:
    assert find(shelf, since=NOW + 1, until=NOW + 3) == [2, 1]
    assert find(shelf, since=NOW + 4) == []
    assert find(shelf, until=NOW) == []


SENDER = [
    ("contains", "EXAMPLE.ORG", [0, 3]),
    ("does_not_contain", "example.org", [1, 2]),
    ("starts_with", "alice", [0]),
    ("does_not_start_with", "ALICE", [1, 2, 3]),
    ("ends_with", ".NET", [1]),
    ("does_not_end_with", ".net", [0, 2, 3]),
    ("matches_exactly", "alice@example.org", [0]),
    ("matches_exactly", "alice", []),
    ("matches_exactly", "", [2]),
    ("does_not_match", "alice@example.org", [1, 2, 3]),
    ("contains", "", [0, 1, 2, 3]),
]
SUBJECT = [
    ("contains", "OFFER", [0, 1]),
    ("contains", "%", [0]),  # a wildcard of SQL is a letter here
    ("contains", "_", [1]),
    ("contains", "\\", []),
    ("contains", "ärger", [2]),
    ("ends_with", "ÖL", [2]),
    ("does_not_contain", "ÖL", [0, 1, 3]),
    ("starts_with", "offer_", [1]),
    ("matches_exactly", "OFFER_X", [1]),
    ("does_not_match", "offer 100%", [1, 2, 3]),
    ("does_not_start_with", "Ä", [0, 1, 3]),
    ("does_not_end_with", "0%", [1, 2, 3]),
    ("matches_exactly", "", [3]),
]
RECIPIENT = [
    ("contains", "bob@", [0, 1]),
    ("starts_with", "bob", [0, 1]),
    ("ends_with", "example.com", [0, 1, 2]),
    ("matches_exactly", "BOB@example.com", [0, 1]),
    ("does_not_contain", "bob", [2, 3]),
    ("does_not_match", "carl@example.com", [0, 2, 3]),
    ("does_not_start_with", "c", [0, 2, 3]),
    ("does_not_end_with", ".com", [3]),
    ("contains", "\n", []),
    ("contains", "comBob", []),
]


@pytest.mark.parametrize(("how", "value", "seen"), SENDER)
async def test_sender(shelf: Bench, how: str, value: str, seen: list[int]) -> None:
    assert sorted(find(shelf, sender=TextTest(how, value))) == seen


@pytest.mark.parametrize(("how", "value", "seen"), SUBJECT)
async def test_subject(shelf: Bench, how: str, value: str, seen: list[int]) -> None:
    assert sorted(find(shelf, subject=TextTest(how, value))) == seen


@pytest.mark.parametrize(("how", "value", "seen"), RECIPIENT)
async def test_any_recipient_passes_and_a_negation_speaks_of_all(
    shelf: Bench, how: str, value: str, seen: list[int]
) -> None:
    assert sorted(find(shelf, recipient=TextTest(how, value))) == seen


async def test_an_unknown_test_or_order_is_an_error(shelf: Bench) -> None:
    with pytest.raises(ValueError):
        find(shelf, sender=TextTest("like", "x"))
    with pytest.raises(ValueError):
        find(shelf, order_by="colour")


async def test_origin(shelf: Bench) -> None:
    assert find(shelf, origin_ip="192.0.2.1") == [1]
    assert find(shelf, origin_ip="192.0.2") == []


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"attachment": "pdf"}, [1, 2]),
        ({"attachment": "invoice.pdf"}, [1]),
        ({"attachment": "exe"}, []),
        ({"attachment_min": 200}, [1, 2]),
        ({"attachment_min": 1000, "attachment_max": 1000}, [1]),
        ({"attachment_max": 200}, [2, 3]),
        ({"attachment": "zip", "attachment_min": 201}, []),  # one part must pass both
        ({"attachment": "b.", "attachment_min": 201}, [2]),
        ({"attachment": "%"}, []),
    ],
)
async def test_attachments(shelf: Bench, fields: dict[str, Any], seen: list[int]) -> None:
    assert sorted(find(shelf, **fields)) == seen


@pytest.mark.parametrize(
    ("order_by", "ascending"),
    [
        ("received", [0, 1, 2, 3]),
        ("scheduledExit", [1, 3, 2, 0]),
        ("size", [3, 2, 1, 0]),
        ("sender", [2, 0, 1, 3]),
        ("subject", [3, 0, 1, 2]),
    ],
)
async def test_order(shelf: Bench, order_by: str, ascending: list[int]) -> None:
    assert find(shelf, order_by=order_by, descending=False) == ascending
    assert find(shelf, order_by=order_by, descending=True) == ascending[::-1]


async def test_pages_make_up_the_whole_and_the_total_never_changes(shelf: Any) -> None:
    pages = [shelf.view.search(Search(ALL, offset=offset, limit=3)) for offset in (0, 3, 6)]
    assert [page.total for page in pages] == [4, 4, 4]
    assert [[shelf.mids.index(copy.mid) for copy, _ in page.copies] for page in pages] == [[3, 2, 1], [0], []]
    filtered = shelf.view.search(Search(ALL, subject=TextTest("contains", "offer"), limit=1))
    assert (filtered.total, len(filtered.copies)) == (2, 1)


async def test_a_total_may_stop_where_nobody_needs_more(shelf: Any) -> None:
    page = shelf.view.search(Search(ALL, limit=1, count_to=2))
    assert page.total >= 2
    assert len(page.copies) == 1
    assert shelf.view.search(Search(ALL, limit=1, count_to=9)).total == 4


async def test_pages_hold_when_many_share_one_time(manager: Bench) -> None:
    mids = {(await manager.samples.accepted("HELD")).mid for _ in range(7)}
    seen: list[int] = []
    for offset in range(0, 8, 2):
        seen += [copy.mid for copy, _ in manager.view.search(Search(("Policy",), offset=offset, limit=2)).copies]
    assert len(seen) == 7
    assert set(seen) == mids


async def test_tests_are_joined_by_and(shelf: Bench) -> None:
    both = {"sender": TextTest("contains", "example"), "subject": TextTest("does_not_contain", "offer")}
    assert find(shelf, **both) == [3]
