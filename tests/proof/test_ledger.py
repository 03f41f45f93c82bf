"""The judge of the crash points: each way to break a promise is told from the others."""

import pytest

from proof.durable.ledger import End, Found, Promise, judge

GOOD = "250 ok"


def found(**fields: object) -> Found:
    base: dict[str, object] = {n: {} for n in ("accepted", "managed", "custody", "delivered", "notices")}
    return Found(**{**base, "changed": [], **fields})  # type: ignore[arg-type]


def promise(answer: str = GOOD, end: End = End.DELIVERED) -> Promise:
    return Promise("plain1", answer, end, b"")


@pytest.mark.parametrize(
    ("said", "there"),
    [
        (promise(), found(accepted={"plain1": ["c1"]}, delivered={"plain1": [False]})),
        (promise(), found(accepted={"plain1": ["c1", "c1"]}, delivered={"plain1": [False, True]})),
        (promise("451 later"), found()),
        (promise(""), found()),
        (promise(""), found(accepted={"plain1": ["c1"]}, delivered={"plain1": [False]})),
        (promise(end=End.BOUNCED), found(accepted={"plain1": ["c1"]}, notices={"plain1": [False]})),
        (promise(end=End.HELD), found(accepted={"plain1": ["c1"]}, managed={"plain1": ["HELD"]})),
        (promise(end=End.DELETED), found(accepted={"plain1": ["c1"]}, managed={"plain1": ["DEL"]})),
    ],
)
def test_a_promise_that_was_kept(said: Promise, there: Found) -> None:
    assert judge([said], there).good


@pytest.mark.parametrize(
    ("said", "there", "wrong"),
    [
        (promise(), found(), "lost"),
        (promise(), found(accepted={"plain1": ["c1"]}), "lost"),
        (promise("451 later"), found(accepted={"plain1": ["c1"]}), "phantom"),
        (promise("451 later"), found(delivered={"plain1": [False]}), "phantom"),
        (promise("554 no"), found(), "other"),
        (promise(""), found(accepted={"plain1": ["c1", "c2"]}), "doubled"),
        (promise(), found(accepted={"plain1": ["c1"]}, delivered={"plain1": [False, False]}), "doubled"),
        (promise(end=End.BOUNCED), found(accepted={"plain1": ["c1"]}), "lost"),
        (promise(end=End.HELD), found(accepted={"plain1": ["c1"]}), "lost"),
        (promise(end=End.HELD), found(accepted={"plain1": ["c1"]}, managed={"plain1": ["HELD", "HELD"]}), "doubled"),
        (
            promise(end=End.DELETED),
            found(accepted={"plain1": ["c1"]}, managed={"plain1": ["DEL"]}, delivered={"plain1": [False]}),
            "doubled",
        ),
        (promise(end=End.DELETED), found(accepted={"plain1": ["c1"]}, managed={"plain1": ["HELD"]}), "other"),
        (promise(), found(changed=["plain1: other octets"], accepted={"plain1": ["c1"]}), "changed"),
    ],
)
def test_a_promise_that_was_broken(said: Promise, there: Found, wrong: str) -> None:
    verdict = judge([said], there)
    assert getattr(verdict, wrong)
    assert not verdict.good


def test_a_message_that_nobody_sent_is_a_phantom() -> None:
    assert judge([], found(accepted={"plain9": ["c9"]})).phantom == ["plain9"]


def test_a_duplicate_that_names_itself_is_counted() -> None:
    verdict = judge([promise()], found(accepted={"plain1": ["c1"]}, delivered={"plain1": [False, True]}))
    assert (verdict.good, verdict.named) == (True, 1)
