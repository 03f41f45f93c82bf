import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pratique.policy import filters as language
from pratique.policy.filters import parse_condition, parse_filters
from pratique.policy.syntax import Action, All, Any, If, Not, Number, ProgramError, Rule, Text, Word

CONTRACT = r"""
hold_exe:
  if (attachment-filename == "(?i)\.(exe|js|scr)$") and (not (mail-from == "@partner\.example$")) { quarantine("Policy"); log-entry("$FilterName: $filenames"); }
big_blast: if (rcpt-count > 50 and body-size > 5M) { duplicate-quarantine("Policy"); insert-header("X-Blast", "yes"); }
"""  # noqa: E501  (as it stands in the contract)


def one(text):
    (found,) = parse_filters(text)
    return found


def condition(text):
    return one(f"f: if {text} {{}}").body.condition


def refused(text):
    with pytest.raises(ProgramError) as caught:
        parse_filters(text)
    return caught.value


def test_the_example_of_the_contract():
    hold, blast = parse_filters(CONTRACT)
    assert (hold.name, hold.line, hold.column) == ("hold_exe", 2, 1)
    exe, partner = hold.body.condition.items
    assert (exe.name, exe.op, exe.value.text) == ("attachment-filename", "==", r"(?i)\.(exe|js|scr)$")
    assert isinstance(partner, Not)
    assert [step.name for step in hold.body.then] == ["quarantine", "log-entry"]
    assert [item.value.number for item in blast.body.condition.items] == [50, 5 * 1024 * 1024]
    assert [arg.text for arg in blast.body.then[1].args] == ["X-Blast", "yes"]


def test_not_binds_tightest_then_and_then_or():
    found = condition("(not true or false and valid)")
    assert isinstance(found, Any)
    first, second = found.items
    assert isinstance(first, Not) and first.item.name == "true"
    assert isinstance(second, All) and [item.name for item in second.items] == ["false", "valid"]


@pytest.mark.parametrize(
    "text",
    [
        "f: if (true) and (false) { drop(); }",
        "f: if ((true) and (false)) { drop() }",
        "F-1: IF (TRUE AND False) { Drop() }",
        "f:if(true and false){drop();};",
        "f: if (true # a comment (\n and /* another\n one */ false) { drop(); } // ".removesuffix(" // "),
        "\ufefff: if (true and false) { drop(); }\r\n",
        "f: if (true and false) { ; drop();; }\n",
    ],
)
def test_leniencies(text):
    found = one(text)
    assert [item.name for item in found.body.condition.items] == ["true", "false"]
    assert [step.name for step in found.body.then] == ["drop"]


def test_names_keep_their_case_and_rules_lose_it():
    found = one("Hold_Exe-2: if (Subject == Public) { No-Op() }")
    assert found.name == "Hold_Exe-2"
    assert found.body.condition == Rule("subject", (), "==", Word("Public", 1, 28), 1, 17)
    assert found.body.then == (Action("no-op", (), 1, 38),)


def test_a_lone_dot_ends_the_file():
    assert [f.name for f in parse_filters("a: if (true) {}\n.\nrubbish (")] == ["a"]
    assert [f.name for f in parse_filters("a: if (true) {}\r\n.\r\nb: if (true) {}")] == ["a"]
    assert [f.name for f in parse_filters("/* a\n.\n*/ a: if (true) {}")] == ["a"]
    assert parse_filters("") == parse_filters(".\n") == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"\.exe$"', r"\.exe$"),
        (r'"\\.exe$"', r"\.exe$"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"it\'s"', r"it\'s"),
        (r"'it\'s \"'", r"it's \""),
        (r'"\d\\\\"', r"\d\\"),
        ('"# no comment /* none"', "# no comment /* none"),
        ('""', ""),
    ],
)
def test_escapes(written, meant):
    assert condition(f"(subject == {written})").value.text == meant


@pytest.mark.parametrize(
    ("written", "number"),
    [("0", 0), ("12", 12), ("3k", 3072), ("2M", 2_097_152), ("9" * 40, 2**53 + 1), ("9" * 15 + "M", 2**53 + 1)],
)
def test_numbers(written, number):
    assert condition(f"(body-size > {written})").value == Number(number, 1, 20)


def test_else_and_else_if():
    body = one("f: if (true) { drop(); } else if (false) { bounce(); } else { deliver(); if (valid) {} no-op() }").body
    (inner,) = body.otherwise
    assert isinstance(inner, If) and inner.then[0].name == "bounce"
    assert [type(step).__name__ for step in inner.otherwise] == ["Action", "If", "Action"]


def test_rule_arguments():
    found = condition('(body-contains("a, (b)", 3))')
    assert found.args == (Text("a, (b)", 1, 22), Number(3, 1, 32))
    assert condition("(true())").args == ()


@pytest.mark.parametrize(
    ("text", "name", "place", "why", "cure"),
    [
        ("ok: if (true) {}\nbad: if (true) { drop() drop() }", "bad", (2, 25), "'drop'", 'expected ";" or "}"'),
        ("bad: if (true) { drop();\n", "bad", (1, 25), "the end", '"}"'),
        ('bad: if (subject = "x") {}', "bad", (1, 18), "'='", "=="),
        ('bad: if (subject == "x) {}\n', "bad", (1, 21), "does not end on this line", 'close it with "'),
        ("bad: if (remote-ip == 10.0.0.1) {}", "bad", (1, 23), "'1'", "double quotes"),
        ("bad: if () {}", "bad", (1, 10), "')'", '"(", "not" or a name'),
        ("bad if", "", (1, 5), "'if'", '":"'),
        ("bad:\n /* open", "bad", (2, 2), "comment", "*/"),
        ("bad: if (true) {} 5", "bad", (1, 19), "'5'", "expected"),
        ("a: if (true) {}\n\na: if (true) {}", "a", (3, 1), "line 1 already", "own name"),
        ("x" * 101 + ": if (true) {}", "x" * 101, (1, 1), "too long", "100"),
    ],
)
def test_an_error_names_filter_place_reason_and_cure(text, name, place, why, cure):
    error = refused(text)
    assert (error.filter_name, error.line, error.column) == (name, *place)
    assert why in error.why
    assert cure in error.cure


@pytest.mark.parametrize(
    "text",
    [
        "f: if " + "not " * 5000 + "true {}",
        "f: " + "if true { " * 5000 + "}" * 5000,
        "f: " + "if true {} else " * 5000 + "{}",
        "f: if " + "(true and " * 5000 + "true" + ")" * 5000 + "{}",
    ],
    ids=["not", "blocks", "else if", "and"],
)
def test_deep_nesting_is_refused_and_not_a_crash(text):
    assert "deep" in refused(text).why


def test_parentheses_alone_may_nest_as_deep_as_they_like():
    assert condition("(" * 5000 + "true" + ")" * 5000).name == "true"


def test_a_file_has_a_limit(monkeypatch):
    monkeypatch.setattr(language, "FILTERS_CHARS_MAX", 100)
    assert "100 characters" in refused("#" * 101).why
    assert parse_filters("#" * 100) == ()


def test_a_condition_alone():
    found = parse_condition('subject == "x" and not valid', "outbreak rule OR-1")
    assert [type(item) for item in found.items] == [Rule, Not]
    with pytest.raises(ProgramError) as caught:
        parse_condition("subject ==", "outbreak rule OR-1")
    assert caught.value.filter_name == "outbreak rule OR-1"
    with pytest.raises(ProgramError) as caught:
        parse_condition("not " * 200 + "true", "outbreak rule OR-1")
    assert "deep" in caught.value.why


_PIECES = st.sampled_from(
    ["a", ":", "if", "else", "(", ")", "{", "}", ";", "not", "and", "or", '"x"', '"', "'", "==", "5M", ",", "#", "/*",
     "*/", "\n", ".", "\\", " ", "true", "drop()", "\x00", "é"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60))
@example("a: if true {} /*")
@example("\n")
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_with_a_place_in_it(text):
    try:
        found = parse_filters(text)
    except ProgramError as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 2
        assert error.why and error.cure
    else:
        assert all(isinstance(one.body, If) for one in found)
