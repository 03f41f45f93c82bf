from pratique.policy.facts import Unknown


def test_unknown_is_no_value_one_could_mistake_for_an_answer():
    assert Unknown("timed out") != Unknown("too large")
    assert Unknown("") != ()
    assert Unknown("")  # never falsy: `if facts.virus` must not read it as "nothing found"


def test_facts_are_the_same_for_two_readers(make_facts):
    assert make_facts() == make_facts()
    assert make_facts(subject="x") != make_facts()
