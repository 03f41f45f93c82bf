from dataclasses import fields

import pytest

from pratique.policy.evaluate import Program
from pratique.policy.settings import MailPolicy, OutbreakPolicy, OutbreakRule, PolicySettings, VirusPolicy


@pytest.mark.parametrize("settings", [PolicySettings, MailPolicy, VirusPolicy, OutbreakPolicy, OutbreakRule])
def test_every_option_says_what_it_is(settings):
    assert [field.name for field in fields(settings) if not field.metadata.get("doc", "").endswith(".")] == []


def test_the_defaults_are_a_program_that_delivers(make_facts):
    program = Program.compile(PolicySettings(), frozenset())
    (disposition,) = program.evaluate(make_facts()).dispositions
    assert (disposition.outcome, disposition.policy, disposition.quarantines) == ("deliver", "DEFAULT", ())
