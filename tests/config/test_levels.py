"""Features of several levels in one text, and one text in features."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config.levels import Feature, Origin, Uncomposable, compose, joined, present, split, usable, without

FEATURES = (
    Feature("policy", (("gateway", "policy"),), "Filters."),
    Feature("listeners", (("gateway", "listeners"),), "Listeners."),
    Feature("quarantines", (("gateway", "quarantines"),), "Names of quarantines."),
    Feature("smtproutes", (("delivery", "smtproutes"),), "Routes."),
    Feature("delivery", (("delivery", "tls"), ("delivery", "nameservers")), "Delivery."),
)
MACHINE = """# this machine
[appliance]
name = "gw1"

[gateway]
edges = 2  # two cores

# filters of ours
[gateway.policy]
filters = "x"

[delivery]
interface_ip = "192.0.2.1"
#tls = "may"
"""


def test_a_feature_is_present_when_the_text_sets_it_to_anything_even_nothing() -> None:
    assert present(MACHINE, FEATURES) == {"policy"}
    assert present("[gateway.policy]\n", FEATURES) == {"policy"}
    assert present("[gateway]\npolicy.filters = ''\n", FEATURES) == {"policy"}
    assert present("[delivery]\n#tls = 'no'\n", FEATURES) == frozenset()


def test_what_is_taken_out_leaves_no_comment_behind_and_all_else_as_it_was() -> None:
    assert without(MACHINE, {"policy", "delivery"}, FEATURES) == (
        '# this machine\n[appliance]\nname = "gw1"\n\n[gateway]\nedges = 2  # two cores\n'
        '\n[delivery]\ninterface_ip = "192.0.2.1"\n'
    )


def test_a_level_is_split_into_features_and_what_belongs_to_a_machine_is_named_with_its_line() -> None:
    text = "# routes\n[delivery]\ntls = 'no'\n# all to one\nsmtproutes = []\n\n[store]\nspool = 's'\n[gateway.policy]\n"
    found = split(text, FEATURES)
    assert found.pieces == {
        "policy": "[gateway.policy]\n",
        "smtproutes": "[delivery]\n# all to one\nsmtproutes = []\n",
        "delivery": "[delivery]\n# routes\ntls = 'no'\n",
    }
    assert found.strays == ((7, "store"), (8, "store.spool"))


def test_the_machine_wins_and_takes_nothing_of_a_feature_that_it_sets_itself() -> None:
    inherited = {
        "policy": "[gateway.policy]\non_unknown = 'deliver'\n",
        "smtproutes": "[delivery]\nsmtproutes = ['ALL a.example']\n",
        "listeners": "[[gateway.listeners]]\nname = 'In'\n",
    }
    found = compose(MACHINE, inherited, FEATURES)
    data = tomllib.loads(found.text)
    assert data["gateway"]["policy"] == {"filters": "x"}
    assert data["delivery"] == {"interface_ip": "192.0.2.1", "smtproutes": ["ALL a.example"]}
    assert data["gateway"]["listeners"] == [{"name": "In"}]
    assert "# two cores" in found.text


def test_each_line_of_a_composed_text_says_where_it_stands() -> None:
    found = compose(MACHINE, {"smtproutes": "[delivery]\n# r\nsmtproutes = 3\n"}, FEATURES)
    lines = found.text.splitlines()
    assert found.origin(lines.index("smtproutes = 3") + 1) == Origin("smtproutes", 3)
    assert found.origin(lines.index("edges = 2  # two cores") + 1) == Origin("", 6)
    assert found.origin(99) == Origin("", 99)


def test_a_file_that_cannot_take_a_feature_is_named_with_the_cure() -> None:
    with pytest.raises(Uncomposable, match=r"the feature smtproutes .* a header of its own"):
        compose("delivery = { interface_ip = '' }\n", {"smtproutes": "[delivery]\nsmtproutes = []\n"}, FEATURES)


PIECES = st.fixed_dictionaries(
    {},
    optional={
        "policy": st.sampled_from(
            [
                "[gateway.policy]\n",
                "# f\n[gateway.policy]\nfilters = '''\n[delivery]\n'''\n",
                "[gateway]\npolicy.x = 1\n",
            ]
        ),
        "listeners": st.sampled_from(["[[gateway.listeners]]\nname = 'a'\n\n# b\n[[gateway.listeners]]\nname = 'b'\n"]),
        "quarantines": st.sampled_from(
            ["[gateway]\nquarantines = []\n", "[gateway]\n# why\nquarantines = [\n  'P',\n]\n"]
        ),
        "smtproutes": st.sampled_from(["[delivery]\nsmtproutes = [] # last word\n"]),
        "delivery": st.sampled_from(
            ["[delivery]\ntls = 'no'\n#nameservers = []\n", "[delivery]\n\n# x\nnameservers = ['a']\n"]
        ),
    },
)


@given(PIECES)
def test_a_level_shown_to_people_and_split_again_is_what_it_was(pieces: dict[str, str]) -> None:
    text = joined(pieces, FEATURES)
    tomllib.loads(text)
    assert split(text, FEATURES).pieces == pieces


@given(PIECES)
def test_a_composed_text_means_what_its_parts_mean(pieces: dict[str, str]) -> None:
    found = compose("[appliance]\nname = 'x'\n[gateway]\nedges = 1\n", pieces, FEATURES)
    data = tomllib.loads(found.text)
    assert data.pop("appliance") == {"name": "x"}
    for piece in pieces.values():
        for table, options in tomllib.loads(piece).items():
            for name, value in options.items():
                assert data[table][name] == value
    assert len(found.origins) == len(found.text.splitlines())


def check(texts: dict[str, str]) -> str:
    """`b` needs `a` to be 2; nobody can use `bad`."""
    if "bad" in texts.values():
        return "bad"
    return "b needs a" if texts.get("b") == "2" and texts.get("a") != "2" else ""


def test_what_can_be_used_together_is_in_force_together() -> None:
    found = usable({"a": "2", "b": "2"}, {"a": "1", "b": "1"}, check)
    assert (found.in_force, found.refused) == ({"a": "2", "b": "2"}, {})


def test_what_cannot_be_used_leaves_the_former_and_the_rest_is_in_force_whatever_needs_what() -> None:
    found = usable({"b": "2", "a": "2", "c": "bad", "d": "2"}, {"a": "1", "b": "1", "c": "1", "e": "1"}, check)
    assert found.in_force == {"a": "2", "b": "2", "c": "1", "d": "2"}
    assert found.refused == {"c": "bad"}


def test_what_needs_a_refused_one_is_refused_too() -> None:
    found = usable({"b": "2", "a": "bad"}, {"a": "1", "b": "1"}, check)
    assert (found.in_force, set(found.refused)) == ({"a": "1", "b": "1"}, {"a", "b"})
