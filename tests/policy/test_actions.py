import pytest

from pratique.policy import actions as module
from pratique.policy.actions import LEVEL_2, ActionCompiler, Course, Final, add_wish, decides
from pratique.policy.decision import QuarantineWish
from pratique.policy.filters import parse_filters
from pratique.policy.seen import Seen
from pratique.policy.syntax import ProgramError
from pratique.policy.variables import Situation

SITUATION = Situation("f", (("1", "secret"),))


def compiled(text):
    (one,) = parse_filters(f"f: if true {{ {text} }}")
    return ActionCompiler(frozenset({"Policy", "Virus", "Unclassified"})).compile(one.body.then[0], "f")


@pytest.fixture
def course(make_facts):
    def run(*texts):
        found = Course()
        for text in texts:
            compiled(text).apply(found, Seen(make_facts()), SITUATION)
        return found

    return run


def refused(text):
    with pytest.raises(ProgramError) as caught:
        compiled(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("deliver();", Final.DELIVER),
        ("drop();", Final.DROP),
        ("bounce();", Final.BOUNCE),
        ("skip-filters();", Final.SKIP_FILTERS),
        ("no-op();", None),
    ],
)
def test_final_actions(course, text, final):
    found = course(text)
    assert found.final is final
    assert found.by == ("message filter 'f'" if final else "")


def test_quarantine(course):
    found = course('quarantine("Policy");', 'quarantine("Virus");', 'duplicate-quarantine("Policy");')
    assert [(wish.name, wish.kind) for wish in found.wishes.values()] == [("Policy", "policy"), ("Virus", "virus")]
    assert [wish.name for wish in found.duplicates.values()] == ["Policy"]
    assert found.wishes["Policy"].reasons == ("message filter:f",)
    assert found.wishes["Policy"].matched == (("1", "secret"),)


def test_headers(course):
    found = course('insert-header("X-Why", "$MatchedContent");', 'strip-header("X-Mailer");', 'tag-message("t-$MID");')
    assert [(change.op, change.name, change.value) for change in found.changes] == [
        ("add-header", "X-Why", "secret"),
        ("remove-header", "X-Mailer", ""),
        ("add-header", "X-Message-Tag", "t-42"),
    ]
    assert {change.by for change in found.changes} == {"message filter:f"}


def test_log_entries(course):
    assert course('log-entry("$FilterName saw $Subject");').log_entries == ["f saw Quarterly figures"]


def test_changes_and_entries_are_bounded(course):
    found = course(*['insert-header("X", "1");'] * 70, *['log-entry("x");'] * 40)
    assert len(found.changes) == module.CHANGES_MAX
    assert len(found.log_entries) == module.LOG_ENTRIES_MAX


def test_what_decides_the_fate_of_a_message():
    fateful = ["deliver()", "drop()", "bounce()", "skip-filters()", 'quarantine("Policy")',
               'duplicate-quarantine("Policy")']  # fmt: skip
    harmless = ["no-op()", 'insert-header("X", "y")', 'strip-header("X")', 'log-entry("x")', 'tag-message("x")']
    assert all(decides(compiled(text)) for text in fateful)
    assert not any(decides(compiled(text)) for text in harmless)


def test_wishes_for_one_quarantine_become_one():
    wishes = {}
    add_wish(wishes, QuarantineWish("Policy", "policy", ("a",), (("1", "x"),)))
    add_wish(wishes, QuarantineWish("Policy", "policy", ("b", "a"), (("1", "x"), ("2", "y")), 60, "OR-1", 4))
    assert wishes["Policy"] == QuarantineWish("Policy", "policy", ("a", "b"), (("1", "x"), ("2", "y")), 60, "OR-1", 4)
    for number in range(40):
        add_wish(wishes, QuarantineWish("Policy", "policy", (f"r{number}",), (("1", str(number)),)))
    assert len(wishes["Policy"].reasons) == module.REASONS_MAX
    assert len(wishes["Policy"].matched) == module.MATCHED_MAX


@pytest.mark.parametrize(
    ("text", "why", "cure"),
    [
        ("drpo();", "no action 'drpo'", "'drop'"),
        ("zzzzz();", "no action 'zzzzz'", "quarantine"),
        ('drop("x");', "takes no texts", "drop()"),
        ("no-op(1);", "takes no texts", "no-op()"),
        ("quarantine();", "takes 1 texts", 'quarantine("text")'),
        ('insert-header("X");', "takes 2 texts", 'insert-header("text", "text")'),
        ("log-entry(5);", "takes texts", "double quotes"),
        ('quarantine("Nowhere");', "no quarantine 'Nowhere'", "Policy, "),
        ('quarantine("policy");', "no quarantine 'policy'", "Policy"),
        ('quarantine("Unclassified");', "deleted quarantines", "another"),
        ('insert-header("X Y", "v");', "no header name", "letters"),
        ('insert-header("X:", "v");', "no header name", "without the colon"),
        ('strip-header("");', "no header name", "letters"),
        (f'strip-header("{"X" * 77}");', "no header name", "76"),
    ],
)
def test_an_action_that_is_refused(text, why, cure):
    error = refused(text)
    assert why in error.why
    assert cure in error.cure
    assert (error.filter_name, error.line) == ("f", 1)


def test_without_any_quarantine_the_cure_says_so():
    (one,) = parse_filters('f: if true { quarantine("Policy"); }')
    with pytest.raises(ProgramError, match="those there are: none"):
        ActionCompiler(frozenset()).compile(one.body.then[0], "f")


@pytest.mark.parametrize("name", sorted(LEVEL_2))
def test_level_2_is_recognised(name):
    assert "not supported yet" in refused(f'{name}("x");').why


def test_a_text_about_attachments_needs_them():
    (one,) = parse_filters('f: if true { log-entry("$filenames"); }')
    compiler = ActionCompiler(frozenset())
    compiler.compile(one.body.then[0], "f")
    assert compiler.needs_attachments
