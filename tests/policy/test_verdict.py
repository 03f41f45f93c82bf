from dataclasses import replace

import pytest

from pratique.policy.facts import Unknown, VirusResult
from pratique.policy.filters import parse_condition
from pratique.policy.patterns import Patterns
from pratique.policy.rules import RuleCompiler
from pratique.policy.seen import Seen
from pratique.policy.settings import MailPolicy, OutbreakPolicy, OutbreakRule, VirusPolicy
from pratique.policy.syntax import ProgramError
from pratique.policy.verdict import (
    NO_OUTBREAK,
    Outbreak,
    OutbreakFinding,
    VirusFinding,
    check_policy,
    judge_outbreak,
    judge_virus,
    outbreak_wish,
    virus_action,
    virus_wish,
)


def result(kind, name=""):
    return VirusResult("ClamAV", "1.4", kind, name)


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        ((), None),
        ((result("clean"), result("clean")), None),
        (
            (result("clean"), result("infected", "EICAR-AV-Test")),
            VirusFinding("infected", ("antivirus:EICAR-AV-Test",)),
        ),
        ((result("infected"),), VirusFinding("infected", ("antivirus:VIRAL",))),
        (
            (result("infected", "A"), result("infected", "B"), result("infected", "A")),
            VirusFinding("infected", ("antivirus:A", "antivirus:B")),
        ),
        ((result("encrypted"), result("infected", "A")), VirusFinding("infected", ("antivirus:A",))),
        ((result("unscannable", "too deep"), result("encrypted")), VirusFinding("encrypted", ("antivirus:ENCRYPTED",))),
        ((result("unscannable", "too deep"),), VirusFinding("unscannable", ("antivirus:UNSCANNABLE",))),
        ((result("clean"), result("odd")), VirusFinding("unscannable", ("antivirus:UNSCANNABLE",))),
        (Unknown("timed out"), VirusFinding("unscannable", ("antivirus:UNSCANNABLE",))),
    ],
)
def test_the_worst_answer_counts_and_no_answer_is_never_clean(found, finding):
    assert judge_virus(found) == finding


def test_each_result_has_its_own_action():
    default = [virus_action(VirusPolicy(), VirusFinding(r, ())) for r in ("infected", "encrypted", "unscannable")]
    assert default == ["quarantine"] * 3  # what was not read is not called clean
    policy = VirusPolicy(infected="drop", encrypted="deliver", unscannable="quarantine")
    actions = [virus_action(policy, VirusFinding(r, ())) for r in ("infected", "encrypted", "unscannable")]
    assert actions == ["drop", "deliver", "quarantine"]


def test_a_virus_goes_to_the_virus_quarantine():
    wish = virus_wish(VirusFinding("infected", ("antivirus:A",)))
    assert (wish.name, wish.kind, wish.reasons) == ("Virus", "virus", ("antivirus:A",))


RULES = (
    OutbreakRule(id="OR-1", level=2, condition='subject == "Quarterly"'),
    OutbreakRule(id="OR-2", level=4, condition='subject == "figures"'),
    OutbreakRule(id="OR-3", level=5, condition='subject == "none"'),
    OutbreakRule(id="OR-4", level=3, condition='body-contains("nowhere")'),
)


def judged(facts):
    patterns = Patterns()
    compiler = RuleCompiler(patterns)
    rules = [Outbreak(rule, compiler.compile(parse_condition(rule.condition, rule.id), rule.id)) for rule in RULES]
    patterns.seal()
    seen = Seen(facts)
    seen.search(patterns)
    return judge_outbreak(rules, seen)


def test_outbreak_rules_that_are_met_stand_by_level(make_facts):
    finding = judged(make_facts())
    assert [rule.id for rule in finding.met] == ["OR-2", "OR-1"]
    assert finding.unknown == ()
    assert judged(make_facts(subject="hello")) is NO_OUTBREAK


def test_outbreak_rules_that_cannot_be_tested(make_facts):
    finding = judged(make_facts(texts=Unknown("too large"), subject="hello"))
    assert [(rule.id, answer.why) for rule, answer in finding.unknown] == [("OR-4", "too large")]


@pytest.mark.parametrize(("threshold", "held"), [(1, True), (4, True), (5, False)])
def test_the_threshold_of_the_policy_decides(threshold, held):
    policy = MailPolicy(outbreak=OutbreakPolicy(threshold=threshold, retention_s=60))
    wish = outbreak_wish(policy, OutbreakFinding((RULES[1], RULES[0]), ()))
    assert (wish is not None) == held


def test_the_wish_carries_rule_level_and_retention():
    policy = MailPolicy(outbreak=OutbreakPolicy(threshold=2, retention_s=60))
    wish = outbreak_wish(policy, OutbreakFinding((RULES[1], RULES[0]), ()))
    assert (wish.name, wish.kind, wish.retention_s) == ("Outbreak", "outbreak", 60)
    assert (wish.outbreak_id, wish.outbreak_level) == ("OR-2", 4)
    assert wish.reasons == ("Outbreak rule:OR-2", "Outbreak rule:OR-1")


@pytest.mark.parametrize(
    "policy",
    [
        MailPolicy(virus=VirusPolicy(infected="burn")),
        MailPolicy(virus=VirusPolicy(encrypted="")),
        MailPolicy(virus=VirusPolicy(unscannable="Drop")),
        MailPolicy(outbreak=OutbreakPolicy(threshold=0)),
        MailPolicy(outbreak=OutbreakPolicy(threshold=6)),
        MailPolicy(outbreak=OutbreakPolicy(retention_s=0)),
    ],
)
def test_an_option_that_means_nothing_is_refused(policy):
    with pytest.raises(ProgramError, match="policy DEFAULT"):
        check_policy(policy)
    check_policy(replace(policy, virus=VirusPolicy(), outbreak=OutbreakPolicy()))
