import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.policy.evaluate import FILTERS, OUTBREAK, VIRUS, Program
from pratique.policy.facts import Attachment, Unknown, VirusResult
from pratique.policy.settings import (
    MailPolicy,
    OutbreakPolicy,
    OutbreakRule,
    PolicySettings,
    VirusPolicy,
)
from pratique.policy.syntax import ProgramError

CONTRACT = r"""
hold_exe:
  if (attachment-filename == "(?i)\.(exe|js|scr)$") and (not (mail-from == "@partner\.example$")) { quarantine("Policy"); log-entry("$FilterName: $filenames"); }
big_blast: if (rcpt-count > 50 and body-size > 5M) { duplicate-quarantine("Policy"); insert-header("X-Blast", "yes"); }
"""  # noqa: E501  (as it stands in the contract)
EICAR = (VirusResult("YARA-X", "1", "infected", "EICAR-AV-Test"),)
LATE = Unknown("content was not read within 5 s")


@pytest.fixture
def judge(make_facts, compile_):
    """The only disposition of a message under some filters."""

    def ask(filters="", *, program_settings=None, **changes):
        decision = compile_(filters, **(program_settings or {})).evaluate(make_facts(**changes))
        (disposition,) = decision.dispositions
        return disposition

    return ask


def names(disposition):
    return [wish.name for wish in disposition.quarantines]


# --- filters -------------------------------------------------------------------------------------------------------
def test_the_example_of_the_contract(judge):
    held = judge(CONTRACT, sender="eve@evil.example")
    assert held.outcome == "deliver"
    (wish,) = held.quarantines
    assert (wish.name, wish.kind, wish.reasons) == ("Policy", "policy", ("message filter:hold_exe",))
    assert wish.matched == (("attachment-filename", ".exe"),)
    assert held.log_entries == ("hold_exe: figures.exe",)
    assert names(judge(CONTRACT, sender="ann@partner.example")) == []
    assert names(judge(CONTRACT, sender="eve@evil.example", attachments=())) == []


def test_the_second_example_of_the_contract(judge):
    many = [f"r{n}@here.example" for n in range(51)]
    blast = judge(CONTRACT, recipients=many, size=5 * 1024 * 1024 + 1)
    assert [wish.name for wish in blast.duplicates] == ["Policy"]
    assert names(blast) == []
    assert [(change.name, change.value) for change in blast.changes] == [("X-Blast", "yes")]
    assert blast.recipients == tuple(range(51))
    assert judge(CONTRACT, recipients=many[:50], size=9_000_000).duplicates == ()


def test_actions_accumulate_and_filters_run_in_order(judge):
    found = judge(
        'one: if true { quarantine("Policy"); insert-header("X", "1"); }\n'
        'two: if (subject == "figures") { quarantine("Legal"); insert-header("X", "2"); log-entry("two"); }\n'
        'three: if (subject == "Quarterly") { quarantine("Policy"); }'
    )
    assert names(found) == ["Policy", "Legal"]
    assert found.quarantines[0].reasons == ("message filter:one", "message filter:three")
    assert [change.value for change in found.changes] == ["1", "2"]
    assert found.log_entries == ("two",)


def test_triggered_filters_run_in_the_order_written(judge):
    filters = "\n".join(f'f{n}: if (body-contains("secret")) {{ log-entry("{n}"); }}' for n in range(20))
    assert judge(filters).log_entries == tuple(map(str, range(20)))


@pytest.mark.parametrize(
    ("action", "outcome", "by"),
    [("drop()", "drop", "message filter 'stop'"), ("bounce()", "bounce", "message filter 'stop'"),
     ("deliver()", "deliver", "")],
)  # fmt: skip
def test_a_final_action_ends_it_all(judge, action, outcome, by):
    found = judge(
        f'log: if true {{ log-entry("first"); }}\nstop: if true {{ {action}; }}\n'
        'late: if true { log-entry("never"); quarantine("Policy"); }',
        virus=EICAR,
    )
    assert (found.outcome, found.by) == (outcome, by)
    assert found.log_entries == ("first",)
    assert names(found) == []
    assert found.recipients == (0, 1)


def test_a_drop_takes_quarantines_back_but_not_copies(judge):
    found = judge('a: if true { quarantine("Policy"); duplicate-quarantine("Legal"); }\nb: if true { drop(); }')
    assert names(found) == []
    assert [wish.name for wish in found.duplicates] == ["Legal"]


def test_deliver_keeps_what_was_ordered_before(judge):
    assert names(judge('a: if true { quarantine("Policy"); deliver(); }\nb: if true { quarantine("Legal"); }')) == [
        "Policy"
    ]


def test_skip_filters_ends_the_filters_only(judge):
    found = judge('a: if true { skip-filters(); }\nb: if true { quarantine("Policy"); }', virus=EICAR)
    assert names(found) == ["Virus"]


def test_else_and_nesting(judge):
    filters = """
      f: if (subject == "figures") {
           if (rcpt-count > 5) { log-entry("many"); } else if (rcpt-count > 1) { log-entry("two"); } else { drop(); }
           log-entry("after");
         } else { log-entry("other"); }
    """
    assert judge(filters).log_entries == ("two", "after")
    assert judge(filters, recipients=["a@b.example"]).outcome == "drop"
    assert judge(filters, subject="x").log_entries == ("other",)


def test_a_final_action_inside_a_nested_block_ends_the_outer_one_too(judge):
    found = judge('f: if true { if true { skip-filters(); } log-entry("never"); }\ng: if true { log-entry("g"); }')
    assert found.log_entries == ()


def test_what_matched_stands_with_the_wish(judge):
    found = judge(
        'f: if (body-contains("s[a-z]+t") or subject == "fig" or body-contains("nowhere")) '
        '{ if (header("X-Mailer") == "2") { quarantine("Policy"); log-entry("$MatchedContent"); } }'
    )
    assert found.quarantines[0].matched == (("1", "secret"), ("subject", "fig"), ("header x-mailer", "2"))
    assert found.log_entries == ("secret, fig, 2",)


def test_a_thousand_matches_are_cut(judge):
    ors = " or ".join(f'body-contains("s{"e" * (n % 2)}[a-z]{{0,{n}}}")' for n in range(60))
    assert len(judge(f'f: if ({ors}) {{ quarantine("Policy"); }}').quarantines[0].matched) == 20


# --- what could not be found out -----------------------------------------------------------------------------------
DECIDING = [
    'f: if (body-contains("nowhere")) { quarantine("Policy"); }',
    'f: if (body-contains("nowhere")) { duplicate-quarantine("Policy"); }',
    'f: if (body-contains("nowhere")) { drop(); }',
    'f: if (not body-contains("nowhere")) { deliver(); }',
    'f: if (body-contains("nowhere")) { log-entry("x"); } else { drop(); }',
    'f: if (body-contains("nowhere")) { if (true) { bounce(); } }',
]


@pytest.mark.parametrize("filters", DECIDING)
def test_on_unknown_a_message_whose_fate_hangs_on_it_is_held(judge, filters):
    found = judge(filters, texts=LATE)
    assert (found.outcome, found.duplicates) == ("deliver", ())
    (wish,) = found.quarantines
    assert (wish.name, wish.kind) == ("Unclassified", "unclassified")
    assert wish.reasons == ("unknown: content was not read within 5 s",)
    assert any("unknown" in line for line in found.explanation)


@pytest.mark.parametrize("filters", DECIDING)
def test_on_unknown_deliver_neither_holds_nor_drops(judge, filters):
    found = judge(filters, texts=LATE, program_settings={"on_unknown": "deliver"})
    assert (found.outcome, names(found), found.duplicates, found.log_entries) == ("deliver", [], (), ())


def test_on_unknown_may_name_a_quarantine(judge):
    found = judge(DECIDING[0], texts=LATE, program_settings={"on_unknown": "Legal"})
    assert [(wish.name, wish.kind) for wish in found.quarantines] == [("Legal", "policy")]


def test_an_unknown_that_decides_nothing_holds_nothing(judge):
    found = judge('f: if (body-contains("nowhere")) { log-entry("yes"); } else { log-entry("no"); }', texts=LATE)
    assert names(found) == []
    assert found.log_entries == ("no",)


def test_a_known_drop_behind_an_unknown_still_drops(judge):
    assert judge(DECIDING[0] + "\ng: if true { drop(); }", texts=LATE).outcome == "drop"


def test_what_was_read_of_a_large_message_decides_where_it_can(judge):
    filters = 'f: if (body-contains("secret")) { quarantine("Policy"); }'
    assert names(judge(filters, incomplete="too large")) == ["Policy"]
    assert names(judge(filters, incomplete="too large", texts=(("1", "hello"),))) == ["Unclassified"]


# --- policies, virus, outbreak -------------------------------------------------------------------------------------
DROPS = VirusPolicy(infected="drop")
POLICIES = (
    MailPolicy(name="bob", recipients=("bob@",), virus=DROPS, outbreak=OutbreakPolicy(threshold=5)),
    MailPolicy(
        name="quiet",
        recipients=("carol@",),
        virus=VirusPolicy(enabled=False),
        outbreak=OutbreakPolicy(enabled=False),
    ),
)
OUTBREAKS = (OutbreakRule(id="OR-7", level=4, condition='attachment-filename == "figures"'),)


def test_recipients_are_judged_under_their_own_policy(make_facts, compile_):
    program = compile_(
        'log: if true { log-entry("once"); insert-header("X", "y"); }', policies=POLICIES, outbreak_rules=OUTBREAKS
    )
    recipients = ["bob@here.example", "carol@here.example", "dave@here.example", "erin@here.example"]
    decision = program.evaluate(make_facts(recipients=recipients, virus=EICAR))
    found = {one.policy: one for one in decision.dispositions}
    assert {name: one.recipients for name, one in found.items()} == {"bob": (0,), "quiet": (1,), "DEFAULT": (2, 3)}
    assert (found["bob"].outcome, found["bob"].by, names(found["bob"])) == ("drop", "antivirus", [])
    assert (found["quiet"].outcome, names(found["quiet"])) == ("deliver", [])
    assert names(found["DEFAULT"]) == ["Virus", "Outbreak"]
    assert [one.log_entries for one in decision.dispositions] == [("once",), (), ()]
    assert all(len(one.changes) == 1 for one in decision.dispositions)


def test_a_virus_under_deliver_is_only_noted(judge):
    policy = MailPolicy(virus=VirusPolicy(infected="deliver"))
    found = judge(virus=EICAR, program_settings={"policies": (policy,)})
    assert (found.outcome, names(found)) == ("deliver", [])
    assert "virus: antivirus:EICAR-AV-Test: deliver" in found.explanation


def test_the_reasons_of_virus_and_outbreak(judge):
    found = judge(virus=EICAR, program_settings={"outbreak_rules": OUTBREAKS})
    assert [wish.reasons for wish in found.quarantines] == [("antivirus:EICAR-AV-Test",), ("Outbreak rule:OR-7",)]
    assert (found.quarantines[1].outbreak_id, found.quarantines[1].outbreak_level) == ("OR-7", 4)
    assert found.quarantines[1].retention_s == OutbreakPolicy().retention_s


def test_a_filter_and_an_engine_may_name_the_same_quarantine(judge):
    found = judge('f: if true { quarantine("Virus"); }', virus=EICAR)
    assert found.quarantines[0].reasons == ("message filter:f", "antivirus:EICAR-AV-Test")


@pytest.mark.parametrize(("threshold", "held"), [(4, ["Outbreak"]), (5, [])])
def test_an_outbreak_rule_below_the_threshold_holds_nothing(judge, threshold, held):
    policy = MailPolicy(outbreak=OutbreakPolicy(threshold=threshold))
    assert names(judge(program_settings={"policies": (policy,), "outbreak_rules": OUTBREAKS})) == held


@pytest.mark.parametrize(
    ("settings_", "held"),
    [({}, ["Unclassified"]), ({"on_unknown": "deliver"}, []),
     ({"policies": (MailPolicy(outbreak=OutbreakPolicy(threshold=5)),)}, [])],
)  # fmt: skip
def test_an_outbreak_rule_that_cannot_be_tested(judge, settings_, held):
    assert names(judge(attachments=LATE, program_settings={"outbreak_rules": OUTBREAKS, **settings_})) == held


def test_no_engine_that_answers_is_not_a_clean_message(judge):
    assert judge(virus=Unknown("clamd timed out")).quarantines[0].reasons == ("antivirus:UNSCANNABLE",)


def test_without_recipients_there_is_nothing_to_decide(make_facts, compile_):
    assert compile_().evaluate(make_facts(recipients=[])).dispositions == ()
    assert compile_("f: if true { drop(); }").evaluate(make_facts(recipients=[])).dispositions == ()


# --- after a release -----------------------------------------------------------------------------------------------
@pytest.fixture
def again(make_facts, compile_):
    def ask(*judged, **changes):
        program = compile_('f: if true { quarantine("Policy"); }', outbreak_rules=OUTBREAKS)
        (disposition,) = program.reevaluate(make_facts(**changes), frozenset(judged)).dispositions
        return disposition

    return ask


@pytest.mark.parametrize(
    ("judged", "held"),
    [((FILTERS, OUTBREAK), []), ((FILTERS,), ["Outbreak"]), ((OUTBREAK,), ["Policy"]), ((), ["Policy", "Outbreak"])],
)
def test_stages_that_judged_are_not_repeated(again, judged, held):
    assert names(again(*judged)) == held


def test_the_virus_verdict_is_taken_anew(again):
    assert names(again(FILTERS, OUTBREAK, virus=EICAR)) == ["Virus"]
    assert names(again(FILTERS, OUTBREAK, VIRUS, virus=EICAR)) == []


def test_a_verdict_that_a_reviewer_overruled_does_not_hold_again(again):
    released = (FILTERS, OUTBREAK, "antivirus:EICAR-AV-Test")
    assert names(again(*released, virus=EICAR)) == []
    other = (*EICAR, VirusResult("ClamAV", "1", "infected", "Worm"))
    assert again(*released, virus=other).quarantines[0].reasons == ("antivirus:EICAR-AV-Test", "antivirus:Worm")


# --- the program itself --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings_", "named"),
    [
        ({"filters": 'f: if true { quarantine("Gone"); }'}, "f"),
        ({"filters": 'f: if (subject == "(") {}'}, "f"),
        ({"filters": "f: if (encrypted) {}"}, "f"),
        ({"filters": "f: if true { if true { no-op(); } else { skip-filters(); no-op(); } }"}, "f"),
        ({"outbreak_rules": (OutbreakRule(id="OR-1", condition="subject =="),)}, "outbreak rule OR-1"),
        ({"outbreak_rules": (OutbreakRule(id="OR-1", condition="nonsense"),)}, "outbreak rule OR-1"),
        ({"outbreak_rules": (OutbreakRule(id="OR-1", level=6),)}, "outbreak rule OR-1"),
        ({"outbreak_rules": (OutbreakRule(),)}, "outbreak rule"),
        ({"policies": (MailPolicy(name="p", senders=("x",)),)}, "policy p"),
        ({"policies": (MailPolicy(name="p", virus=VirusPolicy(infected="?")),)}, "policy p"),
        ({"on_unknown": "panic"}, ""),
    ],
)
def test_what_does_not_compile_is_named(settings_, named):
    with pytest.raises(ProgramError) as caught:
        Program.compile(PolicySettings(**settings_), frozenset({"Policy"}))
    assert caught.value.filter_name == named
    assert caught.value.why and caught.value.cure


@pytest.mark.parametrize(
    ("filters", "column", "why", "cure"),
    [
        ('f: if true { log-entry("x $Foo"); }', 24, "no variable $Foo", "$subject"),
        ('f: if true { insert-header("X-A", "$Subjects"); }', 35, "no variable $Subjects", "$subject"),
        ("f: if true { deliver(); drop(); }", 25, "nothing is done behind deliver()", "before deliver()"),
        ("f: if true { drop(); if true { no-op(); } }", 22, "nothing is done behind drop()", "before drop()"),
        ("f: if (body-size > 99999999999999999999) { drop(); }", 20, "too large", "9007199254740992"),
        ('f: if (subject == "") { drop(); }', 19, "found in every text", '"^$"'),
        ('f: if (body-contains("")) { drop(); }', 22, "found in every text", '"^$"'),
        ('f: if (recv-listener == "Pubic") { drop(); }', 25, "'Pubic' is no listener's name", "Private, Public"),
    ],
)
def test_what_can_have_no_meaning_is_refused_at_its_place(filters, column, why, cure):
    listeners = frozenset({"Public", "Private"})
    with pytest.raises(ProgramError) as caught:
        Program.compile(PolicySettings(filters=filters), frozenset({"Policy"}), listeners=listeners)
    assert (caught.value.line, caught.value.column) == (1, column)
    assert why in caught.value.why and cure in caught.value.cure


def test_a_listener_is_met_by_a_part_of_its_name():
    for pattern in ("Public", "(?i)pub", "^P"):
        filters = f'f: if (recv-listener == "{pattern}") {{ drop(); }}'
        Program.compile(PolicySettings(filters=filters), frozenset(), listeners=frozenset({"Public"}))


@pytest.mark.parametrize(
    ("filters", "needs"),
    [
        ("f: if (subject == x) {}", (False, False)),
        ('f: if (body-contains("x")) {}', (False, True)),
        ("f: if (valid) {}", (True, False)),
        ('f: if true { log-entry("$filenames"); }', (True, False)),
    ],
)
def test_needs(compile_, filters, needs):
    found = compile_(filters).needs
    assert (found.attachments, found.texts) == needs


def test_virus_is_needed_unless_every_policy_says_no(compile_):
    assert compile_().needs.virus
    off = VirusPolicy(enabled=False)
    assert compile_(policies=(MailPolicy(recipients=("a@b",), virus=off),)).needs.virus  # the default ones remain


def test_a_search_beforehand_gives_the_same_decision(make_facts, compile_):
    program = compile_(
        'f: if (body-contains("secret", 3) and only-body-contains("out") and subject == "fig") '
        '{ quarantine("Policy"); }'
    )
    facts = make_facts()
    searched = program.search(facts)
    assert set(searched.hits) == {"texts", "body"}
    assert program.evaluate(searched) == program.evaluate(facts)
    assert names(program.evaluate(facts).dispositions[0]) == ["Policy"]


def test_patterns_that_some_text_can_make_slow_are_told(make_facts, compile_):
    assert not compile_('f: if (body-contains("(?i)secret[0-9]+") or subject == "a.{0,60}b") {}').heavy
    program = compile_('f: if (body-contains("(?i)conf[a-z]{1,40}.{0,60}secret")) { quarantine("Policy"); }')
    assert program.heavy
    (found,) = program.evaluate(program.search_failed(make_facts(), "took too long")).dispositions
    assert found.quarantines[0].reasons == ("unknown: took too long",)


def test_hits_that_outlive_the_text_still_decide(make_facts, compile_):
    """A verdict can be replayed from its facts when the body is long gone."""
    program = compile_('f: if (body-contains("secret")) { quarantine("Policy"); }')
    (found,) = program.evaluate(make_facts(texts=(), hits=program.search(make_facts()).hits)).dispositions
    assert names(found) == ["Policy"]
    assert found.quarantines[0].matched == ()


def test_the_same_facts_give_the_same_decision(make_facts, compile_):
    program = compile_(CONTRACT, policies=POLICIES, outbreak_rules=OUTBREAKS)
    assert program.evaluate(make_facts(virus=EICAR)) == program.evaluate(make_facts(virus=EICAR))


def test_the_explanation_tells_the_path(judge):
    found = judge('f: if (subject == "figures") { quarantine("Policy"); }', virus=EICAR)
    assert found.explanation == (
        "filter f: condition is true",
        "policy DEFAULT",
        "virus: antivirus:EICAR-AV-Test: quarantine",
    )
    many = "\n".join(f"f{n}: if true {{ no-op(); }}" for n in range(100))
    assert len(judge(many).explanation) == 65


RULES = st.sampled_from(
    ['subject == "figures"', 'body-contains("secret", 2)', 'only-body-contains("dear")', "valid",
     "attachment-size > 1K", 'attachment-filename != "exe"', "rcpt-count > 1", 'header("X-None")',
     'remote-ip == "192.0.2."', "true", "false"]
)  # fmt: skip
CONDITIONS = st.recursive(
    RULES,
    lambda inner: (
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda t: "(" + "".join(t) + ")")
        | inner.map(lambda one: f"not ({one})")
    ),
    max_leaves=6,
)
ACTIONS = st.sampled_from(
    ["drop();", "deliver();", "skip-filters();", 'quarantine("Policy");', 'duplicate-quarantine("Legal");',
     'log-entry("$MatchedContent $Subject");', 'insert-header("X", "$AllHeaders");', "no-op();"]
)  # fmt: skip
FILTERS_TEXT = st.lists(st.tuples(CONDITIONS, ACTIONS, ACTIONS), max_size=5).map(
    lambda found: "\n".join(f"f{n}: if {c} {{ {a} }} else {{ {b} }}" for n, (c, a, b) in enumerate(found))
)
TEXTS = st.text(max_size=30) | st.sampled_from(["secret secret dear", "\ud800", "\r\n\0", "figures"])
MESSAGES = st.fixed_dictionaries(
    {
        "subject": TEXTS,
        "headers": st.lists(st.tuples(st.sampled_from(["Subject", "X-None", "To", ""]), TEXTS), max_size=4).map(tuple),
        "texts": st.lists(st.tuples(st.just("1"), TEXTS), max_size=3).map(tuple) | st.just(LATE),
        "attachments": st.lists(
            st.builds(Attachment, TEXTS, TEXTS, st.integers(0, 5000), st.just(0), st.just("1")), max_size=2
        ).map(tuple)
        | st.just(LATE),
        "incomplete": st.sampled_from(["", "too large"]),
        "headers_cut": st.booleans(),
        "ambiguous": st.booleans(),
        "remote_ip": st.sampled_from(["192.0.2.1", "2001:db8::1", "", "nonsense"]),
        "virus": st.just(()) | st.just(EICAR) | st.just(LATE),
    }
)


@given(FILTERS_TEXT, MESSAGES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_message_gets_a_decision_and_every_recipient_is_in_one(make_facts, compile_, filters, message):
    facts = make_facts(**message)
    decision = compile_(filters, policies=POLICIES, outbreak_rules=OUTBREAKS).evaluate(facts)
    assert sorted(index for one in decision.dispositions for index in one.recipients) == [0, 1]
    for one in decision.dispositions:
        assert one.outcome in ("deliver", "drop", "bounce")
        assert (one.by != "") == (one.outcome != "deliver")
        assert one.outcome == "deliver" or not one.quarantines
        assert not any(set("\r\n\0") & set(change.value) for change in one.changes)


def test_two_hundred_patterns_are_judged_in_microseconds(make_facts, compile_):
    """The bar is 60 µs for 10 KB (p99 250 µs), kept by the benchmark; here a busy machine gets twenty times that."""
    filters = "\n".join(f'b{n}: if (body-contains("(?i)word{n}end")) {{ quarantine("Policy"); }}' for n in range(200))
    filters += "\n".join(f'h{n}: if (header("X-H{n}") == "^bad") {{ quarantine("Policy"); }}' for n in range(10))
    program = compile_(filters)
    facts = make_facts(
        texts=(("1", "some ordinary words in a letter " * 312),),
        headers=tuple((f"X-H{n}", f"value {n}") for n in range(20)),
    )
    best = 1.0
    for _ in range(50):
        begin = time.perf_counter()
        program.evaluate(facts)
        best = min(best, time.perf_counter() - begin)
    assert best < 0.0012
