import time

import pytest

from pratique.policy import patterns as module
from pratique.policy.facts import Unknown
from pratique.policy.patterns import Patterns, to_octets
from pratique.policy.syntax import ProgramError, Where

WHERE = Where("f", 7, 3)


def sealed(*wanted):
    patterns = Patterns()
    for entry in wanted:
        text, count = entry if isinstance(entry, tuple) else (entry, 1)
        patterns.add("texts", text, count, WHERE)
    patterns.seal()
    return patterns.fields["texts"]


def find(patterns, *texts):
    return patterns.find([to_octets(text) for text in texts])


def refused(*wanted):
    with pytest.raises(ProgramError) as caught:
        sealed(*wanted)
    return caught.value


def test_a_search_is_unanchored_and_case_sensitive():
    patterns = sealed("secret", "(?i)SECRET", "^secret", "secret$", "nothing")
    assert find(patterns, "a secret thing") == {0, 1}
    assert find(patterns, "a Secret thing") == {1}
    assert find(patterns, "secret") == {0, 1, 2, 3}
    assert find(patterns, "none") == find(patterns) == frozenset()


def test_any_of_several_values_hits():
    assert find(sealed("b", "d"), "a", "b", "c") == {0}


def test_text_beyond_ascii():
    patterns = sealed("a.b", "(?i)GRÜN", r"\p{Greek}")
    assert find(patterns, "aÿb") == {0}
    assert find(patterns, "grün") == {1}
    assert find(patterns, "λ") == {2}
    assert find(patterns, "a\ud800b") == {0}  # a lone surrogate is one unreadable character


def test_counts():
    patterns = sealed("ab", ("ab", 2), ("ab", 3), ("c", 2))
    assert find(patterns, "ab") == {0}
    assert find(patterns, "abxab c") == {0, 1}
    assert find(patterns, "ab", "ab", "abcc") == {0, 1, 2, 3}


def test_a_pattern_that_matches_nothing_at_all_hits_everywhere():
    patterns = sealed("x*", "$", ("x*", 3))
    assert find(patterns, "abc") == {0, 1, 2}
    assert find(patterns, "") == {0, 1}
    assert find(patterns) == frozenset()


def test_fields_do_not_mix():
    patterns = Patterns()
    first = patterns.add("subject", "a", 1, WHERE)
    second = patterns.add("texts", "a", 1, WHERE)
    patterns.seal()
    assert find(patterns.fields["subject"], "a") == {first}
    assert find(patterns.fields["texts"], "a") == {second}


def test_what_matched():
    patterns = sealed("s[a-z]+t", "grün")
    assert patterns.locate(0, [("1", "no"), ("2", "the secret")]) == ("2", "secret")
    assert patterns.locate(1, [("1", "alles grün hier")]) == ("1", "grün")
    assert patterns.locate(0, [("1", "no")]) is None
    assert patterns.locate(99, [("1", "secret")]) is None
    ((_, text),) = [sealed("x+").locate(0, [("1", "x" * 1000)])]
    assert len(text) == module.MATCHED_CHARS_MAX


@pytest.mark.parametrize(
    ("pattern", "why", "cure"),
    [
        ("(ab", "missing )", r"\("),
        ("*.exe", "no argument for repetition operator", r"\*"),
        ("a(?=b)", "invalid perl operator", "look-around"),
        ("(?<!a)b", "invalid", "look-around"),
        (r"(a)\1", "invalid escape", "back-references"),
        ("a{1001}", "repetition", "RE2 syntax"),
        ("x" * 5000, "4096 characters", "split"),
    ],
)
def test_a_pattern_that_is_refused(pattern, why, cure):
    error = refused("fine", pattern)
    assert (error.filter_name, error.line, error.column) == ("f", 7, 3)
    assert why in error.why
    assert cure in error.cure


def test_a_set_that_needs_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(module, "SET_MEMORY_BYTES", 8 * 1024 * 1024)
    error = refused(*(f"(?i)conf[a-z]{{1,40}}.{{0,60}}secret{n}" for n in range(200)))
    assert "8 MiB" in error.why
    assert "repetitions" in error.cure


def test_a_set_that_cannot_search_at_all_is_refused(monkeypatch):
    """RE2 may compile a set and then lack the memory for its first state: it answers nothing, not even to itself."""

    class Mute:
        def Add(self, pattern):
            return 0

        def Compile(self):
            return None

        def Match(self, octets):
            return None

    monkeypatch.setattr(module.re2.Set, "SearchSet", lambda options: Mute())
    assert "need more than" in refused("secret").why


def test_too_many_patterns_are_refused(monkeypatch):
    monkeypatch.setattr(module, "PATTERNS_MAX", 2)
    assert "more than 2" in refused("a", "b", "c").why


def test_a_set_that_fails_while_it_searches_is_unknown_and_never_a_miss(monkeypatch):
    """RE2 answers "no match" when its automaton runs out of memory."""
    patterns = sealed("secret")

    class OutOfMemory:
        def Match(self, octets):
            return None

    monkeypatch.setattr(patterns, "_set", OutOfMemory())
    assert isinstance(find(patterns, "secret"), Unknown)


def test_two_hundred_patterns_cost_one_pass():
    """The bar is 25 µs for 10 KB; 2 ms is what a busy machine may add and what a loop over 200 patterns exceeds."""
    patterns = sealed(*(f"(?i)word{n}end" for n in range(200)))
    octets = [b"some ordinary words in a letter " * 312]
    patterns.find(octets)
    best = 1.0
    for _ in range(20):
        begin = time.perf_counter()
        patterns.find(octets)
        best = min(best, time.perf_counter() - begin)
    assert best < 0.002
