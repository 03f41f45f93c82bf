import pytest

from pratique.policy.facts import Unknown
from pratique.policy.patterns import Patterns
from pratique.policy.seen import Seen
from pratique.policy.syntax import Where


def probe(field, text="secret"):
    patterns = Patterns()
    patterns.add(field, text, 1, Where("f", 1, 1))
    patterns.seal()
    return patterns


def test_headers_are_found_in_any_case_and_all_their_values(make_facts):
    seen = Seen(make_facts())
    assert seen.headers["x-mailer"] == ["Mailer 1", "Mailer 2"]
    assert [text for _, text in seen.values("header x-mailer")] == ["Mailer 1", "Mailer 2"]
    assert list(seen.values("header x-none")) == []


def test_hits_that_are_facts_already_are_not_searched_again(make_facts):
    seen = Seen(make_facts(texts=(), hits={"texts": frozenset({0})}))
    seen.search(probe("texts"))
    assert seen.hits == {0}


@pytest.mark.parametrize("field", ["texts", "body"])
def test_without_texts_nothing_is_known_of_them(make_facts, field):
    why = Unknown("too large")
    seen = Seen(make_facts(texts=why))
    seen.search(probe(field))
    assert seen.unknown == {field: why}
    assert list(seen.values(field)) == []


def test_without_structure_the_body_is_not_known(make_facts):
    """What is attached and what is not cannot be told apart."""
    why = Unknown("too deep")
    seen = Seen(make_facts(attachments=why))
    seen.search(probe("body"))
    assert seen.unknown == {"body": why}
    assert seen.attachments == ()
    assert list(seen.values("attachment-filename")) == []


def test_without_structure_texts_can_still_be_searched(make_facts):
    seen = Seen(make_facts(attachments=Unknown("too deep")))
    seen.search(probe("texts"))
    assert seen.hits == {0}
    assert seen.unknown == {}
