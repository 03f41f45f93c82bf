"""Every way to search gives what looking at each message gives; the store in memory is the judge."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.interface import Search, TextTest
from pratique.store.memory import MemoryStore
from pratique.store.moves import Accept, ExitHold
from pratique.store.sqlite import SqliteStore, search
from tests.conformance.samples import MANAGER, NOW, SampleClock, Samples, hold, nowhere

NAMES = ("Policy", "Virus", "Legal")
WORDS = ["Offer", "invoice", "GRÜSSE", "Straße", "100%", "a_b", 'say "hi"', "ÄÖ", "x", "back\\slash", "Re: offer"]
HOWS = list(search.PATTERNS) + list(search.NEGATIONS)


def shelf(made: Samples, count: int) -> list[Accept]:
    """The same messages for any store: few values, so that all ways meet many and few hits."""
    chance = random.Random(7)
    moves, body = [], made.body()
    for number in range(count):
        names = chance.sample(NAMES, chance.choice([1, 1, 2, 3]))
        holds = tuple(
            hold(name, received=NOW + chance.randrange(20), exit_at=NOW + chance.randrange(50)) for name in names
        )
        people = [f"{chance.choice(WORDS)}{chance.randrange(3)}@example.org" for _ in range(3)]
        recipients = tuple(Recipient(address) for address in people[: chance.choice([1, 2])])
        size = chance.randrange(1000)
        copy = made.copy(
            "HELD",
            body=body,
            holds=holds,
            envelope=Envelope(people[2], recipients),
            subject=" ".join(chance.sample(WORDS, 2)),
            origin_ip=f"192.0.2.{chance.randrange(3)}",
            extent=nowhere(size, number),
            attachments=chance.choice(["[]", '[["Invoice.PDF", 900]]', '[["a.txt", 10], ["b.TXT", 5000]]']),
        )
        moves.append(Accept((copy,), ()))
    return moves


def queries() -> Iterator[Search]:
    chance = random.Random(11)
    for number in range(400):
        fields: dict[str, Any] = {}
        for name in ("sender", "recipient", "subject"):
            if chance.random() < 0.4:
                word = chance.choice(WORDS)
                part = word[chance.randrange(2) : chance.choice([2, 4, 99])]
                fields[name] = TextTest(chance.choice(HOWS), chance.choice([part, part.upper(), word, "example.org"]))
        if chance.random() < 0.3:
            fields |= {"since": NOW + chance.randrange(10), "until": NOW + chance.randrange(5, 20)}
        if chance.random() < 0.2:
            fields["origin_ip"] = "192.0.2.1"
        if chance.random() < 0.2:
            fields |= chance.choice([{"attachment": "pdf"}, {"attachment_min": 100}, {"attachment_max": 20}])
        yield Search(
            tuple(chance.sample([*NAMES, "None"], chance.choice([0, 1, 1, 2, 3, 4]))),
            order_by=list(search.ORDERS)[number % len(search.ORDERS)],
            descending=chance.random() < 0.5,
            offset=chance.choice([0, 0, 3, 200]),
            limit=chance.choice([1, 5, 25, 200]),
            **fields,
        )


@pytest.mark.parametrize(
    ("hits_max", "reach"), [(6000, "all"), (6000, "half"), (6000, "none"), (3, "all"), (3, "half")]
)
async def test_every_way_finds_the_same(
    store: SqliteStore, samples: Samples, monkeypatch: pytest.MonkeyPatch, hits_max: int, reach: str
) -> None:
    monkeypatch.setattr(search, "HITS_MAX", hits_max)
    judge = MemoryStore(role="manager", serial=MANAGER, clock=SampleClock(), manual=True)
    index = store._index
    assert index is not None
    moves, others = shelf(samples, 120), shelf(Samples(judge), 120)
    for number, (move, other) in enumerate(zip(moves, others, strict=True)):
        future = store.submit(move)
        judge.submit(other)
        if number == 59 and reach == "half":
            await future
            while index.advance():
                pass
    await future
    while reach == "all" and index.advance():
        pass
    judge.commit()
    for mid in (5, 6, 7):  # some have left
        for made in (samples, Samples(judge)):
            for one in made.store.view.holds(mid):
                copy = made.store.view.copy(mid)
                assert copy is not None
                move = ExitHold(mid, one.quarantine, "DELETED", "manual", "carol", NOW, copy.version, None, ())
                done = made.store.submit(move)
                if made is samples:
                    await done
                else:
                    judge.commit()
    found_some = 0
    for query in queries():
        expected = judge.view.search(query)
        found = store.view.search(query)
        assert found.total == expected.total, query
        assert [copy.mid for copy, _ in found.copies] == [copy.mid for copy, _ in expected.copies], query
        assert [holds for _, holds in found.copies] == [holds for _, holds in expected.copies]
        found_some += bool(found.copies)
    assert found_some > 100


async def test_a_page_may_stop_counting(store: SqliteStore, samples: Samples) -> None:
    for move in shelf(samples, 60):
        future = store.submit(move)
    await future
    for text in (None, TextTest("contains", "a_b"), TextTest("contains", "x")):
        exact = store.view.search(Search(NAMES, subject=text, limit=2))
        assert exact.total > 5
        for order in ("received", "size"):
            capped = store.view.search(Search(NAMES, subject=text, limit=2, count_to=5, order_by=order))
            assert 5 <= capped.total <= exact.total
            assert len(capped.copies) == 2


async def test_unknown_words_are_an_error_of_the_caller(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="order"):
        store.view.search(Search(("Policy",), order_by="luck"))
    with pytest.raises(ValueError, match="no text test"):
        store.view.search(Search(("Policy",), sender=TextTest("sounds_like", "x")))
    assert not store.view._db.in_transaction


def test_the_text_of_a_part_is_found_whatever_its_case() -> None:
    assert search.has_text("Invoice.PDF", ".pdf")
    assert not search.has_text(None, "")
    assert not search.has_text("a", "b")
