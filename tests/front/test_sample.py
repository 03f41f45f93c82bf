"""The demo's sample mail: what passes, what is held and why."""

import email

import pytest

from pratique.checks.yara_rules import compile_rules, eicar
from pratique.front import sample
from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.evaluate import Program
from pratique.policy.facts import VirusResult
from pratique.policy.settings import OutbreakRule, PolicySettings
from pratique.quarantine.kinds import SYSTEM_MADE
from tests.gateway.office import Engine, source


def test_samples_are_mail_with_crlf_line_ends() -> None:
    for what, octets in sample.samples():
        assert what
        assert octets.count(b"\n") == octets.count(b"\r\n") and octets.endswith(b"\r\n")
        message = email.message_from_bytes(octets)
        assert message["Subject"] and message["Message-ID"] and message["From"]


async def test_each_sample_meets_the_fate_that_it_is_named_for() -> None:
    from pratique.checks.content import Content
    from pratique.checks.interface import Engines
    from pratique.gateway.pipeline import Pipeline
    from tests.runner.support import Node

    rule = OutbreakRule(**sample.OUTBREAK)  # type: ignore[arg-type]
    program = Program.compile(PolicySettings(filters=sample.FILTERS, outbreak_rules=(rule,)), frozenset(SYSTEM_MADE))
    content, engine, node = Content(scan_bytes_max=1 << 20), Engine(), Node()
    pipeline = Pipeline(program, Engines((engine,), content))
    found = {}
    try:
        for what, octets in sample.samples():
            if "virus" in what:
                engine.answers.append(VirusResult("FAKE", "1", "infected", "EICAR-AV-Test"))
            stored = node.samples.body(octets)
            body = node.store.spool.open(stored.extent, stored.sha256)
            envelope = Envelope("a@b.example", (Recipient("c@d.example"),))
            judged = await pipeline.judge(source(), envelope, body, octets)
            found[what] = [wish.name for one in judged.decision.dispositions for wish in one.quarantines]
    finally:
        content.close()
    assert found == {
        "passes": [],
        "held by the filter hold_confidential": ["Policy"],
        "held by the filter hold_programs": ["Policy"],
        "held as a virus (the EICAR test file)": ["Virus"],
        "held by an outbreak rule": ["Outbreak"],
    }


def test_the_test_virus_is_one_of_the_samples() -> None:
    (virus,) = [octets for what, octets in sample.samples() if "virus" in what]
    parts = email.message_from_bytes(virus).get_payload()
    assert isinstance(parts, list)
    assert parts[1].get_payload(decode=True) == eicar()  # type: ignore[union-attr]
    assert compile_rules([]).octets


def test_the_filter_of_the_full_cycle_holds_everything() -> None:
    Program.compile(PolicySettings(filters=sample.HOLD_ALL), frozenset(SYSTEM_MADE))
    with pytest.raises(Exception, match="quarantine"):
        Program.compile(PolicySettings(filters=sample.HOLD_ALL), frozenset({"Other"}))
