"""Judging one message: checks gather, each with its deadline; policy decides."""

import threading
from collections.abc import Iterator

import pytest

from pratique.checks.content import Content
from pratique.checks.interface import Engines
from pratique.gateway.pipeline import Judged, Pipeline
from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.evaluate import Program
from pratique.policy.facts import Facts, Unknown
from pratique.policy.settings import PolicySettings
from tests.conformance.samples import MESSAGE
from tests.gateway.office import QUARANTINES, Engine, clean, infected, source
from tests.runner.support import Node

ENVELOPE = Envelope("a@sender.example", (Recipient("b@example.com"),))
HOLD = 'hold: if (subject == "^Offer") { quarantine("Policy"); }'


@pytest.fixture
def content() -> Iterator[Content]:
    made = Content(scan_bytes_max=1 << 20)
    yield made
    made.close()


def _pipeline(content: Content, *engines: Engine, filters: str = HOLD) -> Pipeline:
    program = Program.compile(PolicySettings(filters=filters), QUARANTINES)
    return Pipeline(program, Engines(engines, content))


def _quarantines(judged: Judged) -> list[str]:
    return [wish.name for one in judged.decision.dispositions for wish in one.quarantines]


async def _judge(pipeline: Pipeline, octets: bytes | None = MESSAGE, *, in_memory: bool = True) -> Judged:
    node = Node()
    stored = node.samples.body(octets)
    body = node.store.spool.open(stored.extent, stored.sha256)
    return await pipeline.judge(source(), ENVELOPE, body, octets if in_memory else None)


async def test_what_needs_no_engine_is_judged_at_once(content: Content) -> None:
    pipeline = _pipeline(content)
    judged = pipeline.judge_now(source(), ENVELOPE, MESSAGE)
    assert judged is not None and _quarantines(judged) == ["Policy"]
    assert judged.message.subject == "Offer"


async def test_a_body_that_is_not_in_memory_or_an_engine_to_ask_takes_longer(content: Content) -> None:
    assert _pipeline(content).judge_now(source(), ENVELOPE, None) is None
    assert _pipeline(content, Engine()).judge_now(source(), ENVELOPE, MESSAGE) is None


async def test_both_ways_come_to_the_same_decision(content: Content) -> None:
    pipeline = _pipeline(content)
    at_once = pipeline.judge_now(source(), ENVELOPE, MESSAGE)
    assert at_once is not None
    for in_memory in (True, False):
        assert (await _judge(pipeline, in_memory=in_memory)).decision == at_once.decision


async def test_an_infected_message_is_held(content: Content) -> None:
    engine = Engine()
    engine.answers.append(infected())
    judged = await _judge(_pipeline(content, engine, filters=""))
    assert _quarantines(judged) == ["Virus"]
    assert judged.virus == (infected(),)
    assert engine.scanned == [MESSAGE]


async def test_one_engines_finding_stands_whatever_another_could_not_find_out(content: Content) -> None:
    blind, seeing = Engine(), Engine()
    blind.answers.append(Unknown("busy"))
    seeing.answers.append(infected())
    judged = await _judge(_pipeline(content, blind, seeing, filters=""))
    assert judged.virus == (infected(),)


async def test_clean_by_one_and_unknown_by_another_is_unknown(content: Content) -> None:
    """Fail closed: what was not looked at is not clean (I11)."""
    blind, seeing = Engine(), Engine()
    blind.answers.append(Unknown("busy"))
    seeing.answers.append(clean())
    judged = await _judge(_pipeline(content, blind, seeing, filters=""))
    assert judged.virus == Unknown("busy")
    assert _quarantines(judged)  # held, by the policy's word for unknown


async def test_after_a_release_only_the_virus_verdict_is_new(content: Content) -> None:
    engine = Engine()
    engine.answers.append(infected("New.Virus"))
    pipeline = _pipeline(content, engine)
    node = Node()
    stored = node.samples.body(MESSAGE)
    body = node.store.spool.open(stored.extent, stored.sha256)
    judged = await pipeline.rejudge(source(), ENVELOPE, body, MESSAGE, frozenset({"filters", "outbreak"}))
    assert _quarantines(judged) == ["Virus"]  # the filter, which would hold it in Policy, is not asked again


async def test_another_program_is_used_from_the_next_message_on(content: Content) -> None:
    pipeline = _pipeline(content)
    pipeline.use(Program.compile(PolicySettings(filters=""), QUARANTINES))
    judged = pipeline.judge_now(source(), ENVELOPE, MESSAGE)
    assert judged is not None and _quarantines(judged) == []


async def test_patterns_that_take_too_long_are_unknown_and_the_message_is_held(
    content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = 'hold: if (body-contains("Hello")) { quarantine("Policy"); }'
    program = Program.compile(PolicySettings(filters=filters), QUARANTINES)
    monkeypatch.setattr(type(program), "heavy", property(lambda self: True))
    search, enough = program.search, threading.Event()

    def slow(self: Program, facts: Facts) -> Facts:
        enough.wait(5)
        return search(facts)

    monkeypatch.setattr(type(program), "search", slow)
    pipeline = Pipeline(program, Engines((), content), search_seconds=0.02)
    assert pipeline.judge_now(source(), ENVELOPE, MESSAGE) is None
    judged = await _judge(pipeline)
    enough.set()
    assert _quarantines(judged) == ["Unclassified"]
