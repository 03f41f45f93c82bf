"""From a received body to a durable verdict: nothing is answered 250 before it is on the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.mail.reply import Reply
from pratique.policy.facts import VirusResult
from pratique.runner.suspension import Suspension
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE
from tests.gateway.office import Office, infected, reception
from tests.runner.support import turns, until

Make = Callable[..., Any]
HOLD = 'hold: if (subject == "^Offer") { quarantine("Policy"); }'


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    offices: list[Office] = []

    async def one(*, manager: bool = True, **how: Any) -> Office:
        offices.append(Office(tmp_path / str(len(offices)), monkeypatch, **how))
        return await offices[-1].made(manager=manager)

    yield one
    for office in offices:
        await office.close()


class Answers:
    def __init__(self) -> None:
        self.given: list[tuple[int, Reply]] = []
        self.came = asyncio.Event()

    def __call__(self, mid: int, reply: Reply) -> None:
        self.given.append((mid, reply))
        self.came.set()

    @property
    def text(self) -> str:
        ((_, reply),) = self.given
        return str(reply)


async def test_250_follows_the_commit(make: Make) -> None:
    office, answers = await make(), Answers()
    office.node.store.manual = True
    given = reception(office.node)
    office.gateway.judging.take(given, answers)
    await turns()
    assert answers.given == [] and len(office.node.store.pending) == 1
    office.node.store.manual = False
    office.node.store.commit()
    assert answers.text == f"250 2.0.0 ok: Message {given.mid} accepted"
    assert office.copies("ACTIVE")
    await until(lambda: office.hop.messages)


@pytest.mark.parametrize(
    ("failure", "reply"),
    [
        (StoreFailed("no space left", full=True), "452 4.3.1"),
        (StoreFailed("input/output error"), "451 4.3.0"),
    ],
)
async def test_a_commit_that_fails_is_refused_for_now_and_keeps_nothing(
    make: Make, failure: StoreFailed, reply: str
) -> None:
    office, answers = await make(), Answers()
    given = reception(office.node)
    free = office.node.store.spool.free_bytes()
    office.node.store.fail_next(failure)
    office.gateway.judging.take(given, answers)
    await until(lambda: answers.given)
    assert answers.text.startswith(reply)
    assert office.copies() == []
    assert office.node.store.spool.free_bytes() == free + given.stored.size
    assert office.node.log.of(log.Fault)
    assert office.hop.messages == []


async def test_mail_that_must_be_held_is_refused_for_now_while_there_is_no_manager(make: Make) -> None:
    office, answers = await make(manager=False, filters=HOLD), Answers()
    office.gateway.judging.take(reception(office.node), answers)
    await until(lambda: answers.given)
    assert answers.text.startswith("451 4.3.0")
    assert office.lines("must be held and no manager is enrolled", "pratique enroll")


async def test_mail_that_loops_is_refused(make: Make) -> None:
    office = await make(delivery={"hops_max": 3})
    for count, reply in ((3, "250"), (4, "554 5.4.6")):
        answers = Answers()
        octets = b"Received: from a by b\r\n" * count + MESSAGE
        office.gateway.judging.take(reception(office.node, octets=octets), answers)
        await until(lambda got=answers: got.given)
        assert answers.text.startswith(reply)


async def test_an_engine_is_waited_for_and_its_verdict_is_part_of_the_commit(make: Make) -> None:
    office, answers = await make(virus=True), Answers()
    office.engine.answers.append(infected())
    office.gateway.judging.take(reception(office.node), answers)
    await until(lambda: answers.given)
    assert answers.text.startswith("250")
    (copy,) = office.copies()
    assert copy.custody in ("Q", "X")
    assert office.lines("antivirus positive 'EICAR-AV-Test'")


async def test_an_engine_that_breaks_refuses_for_now(make: Make) -> None:
    office, answers = await make(virus=True), Answers()
    office.engine.answers.append(RuntimeError("engine died"))
    office.gateway.judging.take(reception(office.node), answers)
    await until(lambda: answers.given)
    assert answers.text.startswith("451 4.3.0")
    assert office.copies() == []
    await until(lambda: office.node.failures)
    assert "engine died" in office.node.failures[0][1]
    office.node.failures.clear()


async def test_past_the_deadline_mail_is_taken_unjudged_and_judged_later(make: Make) -> None:
    office, answers = await make(virus=True, judge_deadline_seconds=0.01), Answers()
    office.engine.gate = asyncio.Event()
    office.engine.answers.append(infected())
    given = reception(office.node)
    office.gateway.judging.take(given, answers)
    await answers.came.wait()
    assert answers.text.startswith("250")
    (copy,) = office.copies()
    assert (copy.custody, copy.mid) == ("RECEIVED", given.mid)
    assert office.node.log.of(log.NotJudgedInTime)
    assert office.hop.messages == []  # nothing leaves unjudged
    office.engine.gate.set()
    await until(lambda: office.copies()[0].custody in ("Q", "X"))
    assert len(office.copies()) == 1


async def test_what_a_crash_left_unjudged_is_judged_once(make: Make) -> None:
    office, answers = await make(virus=True, judge_deadline_seconds=0.01), Answers()
    office.engine.gate = asyncio.Event()
    office.gateway.judging.take(reception(office.node), answers)
    await answers.came.wait()
    (copy,) = office.copies()
    office.gateway.judging._judging.clear()  # as in a new process
    again = [office.node.tasks.spawn(office.gateway.judging.judge_queued(copy), "again") for _ in range(3)]
    await turns()
    office.engine.gate.set()
    await asyncio.wait(again)
    await until(lambda: office.hop.messages)
    await turns(200)
    assert len(office.hop.messages) == 1
    assert [c.custody for c in office.copies()] == ["SETTLED"]


async def test_a_late_verdict_that_cannot_be_committed_waits_for_the_next_round(make: Make) -> None:
    office, answers = await make(virus=True, judge_deadline_seconds=0.01), Answers()
    office.engine.gate = asyncio.Event()
    office.gateway.judging.take(reception(office.node), answers)
    await answers.came.wait()
    office.node.store.fail_next(StoreFailed("no space", full=True))
    office.engine.gate.set()
    await until(lambda: office.node.log.of(log.Fault))
    await turns()
    (copy,) = office.copies("RECEIVED")
    await office.gateway.judging.judge_queued(copy)
    await until(lambda: office.hop.messages)


async def test_a_drop_leaves_nothing_to_deliver(make: Make) -> None:
    office, answers = await make(filters="gone: if (true) { drop(); }"), Answers()
    office.gateway.judging.take(reception(office.node), answers)
    await until(lambda: answers.given)
    assert answers.text.startswith("250")  # a filter never changes the reply
    assert [c.custody for c in office.copies()] == ["SETTLED"]
    await turns()
    assert office.hop.messages == []


async def test_a_clean_verdict_is_logged(make: Make) -> None:
    office, answers = await make(virus=True), Answers()
    office.engine.answers.append(VirusResult("FAKE", "1", "clean"))
    office.gateway.judging.take(reception(office.node), answers)
    await until(lambda: office.hop.messages)
    assert office.lines("interim AV verdict using FAKE CLEAN") and office.lines("antivirus negative")


async def test_while_the_work_queue_is_paused_mail_is_taken_and_waits_on_the_disk(make: Make) -> None:
    office = await make(virus=True)
    assert office.engine is not None
    office.gateway.suspend(Suspension(work_queue="olga"))
    assert (await office.send()).startswith("250")
    (copy,) = office.copies("RECEIVED")
    assert office.lines(f"MID {copy.mid} waits in the work queue, which is paused")
    await office.gateway.judging.judge_queued(copy)
    assert (office.engine.scanned, office.hop.messages) == ([], [])
    office.gateway.suspend(Suspension())
    await until(lambda: office.hop.messages)
    assert office.engine.scanned == [MESSAGE]
    assert not office.copies("RECEIVED")
