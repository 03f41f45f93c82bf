"""Two people change one file: what does not meet is merged with its comments, what meets is named."""

import tomllib

import pytest

from pratique.config.merging import ABSENT, Conflict, changes, difference, merge

BASE = """\
# our gateway
serial = "x"  # never change

[net]
# slow line
fast = false
ports = [25, 26]

[[listeners]]
name = "In"
port = 25

[[listeners.hosts]]
match = "10.0.0.0/8"

# for the applications
[[listeners]]
name = "Out"
port = 26
"""


def sub(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def test_changes_are_told_by_option_and_tables_by_their_name() -> None:
    after = sub(BASE, ("fast = false", "fast = true"), ("port = 26", "port = 27"), ('serial = "x"', "rank = 1"))
    assert changes(BASE, after) == {
        ("serial",): ("x", ABSENT),
        ("rank",): (ABSENT, 1),
        ("net", "fast"): (False, True),
        ("listeners", "Out", "port"): (26, 27),
    }


def test_true_is_no_one_and_an_empty_table_no_change_of_an_option() -> None:
    assert changes("a = 1", "a = true") == {("a",): (1, True)}
    assert changes("a = 1", "a = 1\n[net]\n") == {("net",): (ABSENT, {})}


def test_tables_without_names_are_one_value() -> None:
    after = BASE.replace("10.0.0.0/8", "10.1.0.0/16")
    key = ("listeners", "In", "hosts")
    assert changes(BASE, after) == {key: ([{"match": "10.0.0.0/8"}], [{"match": "10.1.0.0/16"}])}


def test_what_two_people_changed_in_different_places_is_merged_with_all_comments() -> None:
    mine = sub(BASE, ("fast = false", "fast = true"))
    theirs = sub(BASE, ("port = 26", "port = 27"), ("# our gateway", "# our first gateway"))
    merged = merge(BASE, mine, theirs)
    assert merged == sub(theirs, ("fast = false", "fast = true"))
    assert merge(BASE, theirs, mine) == merged


def test_lines_that_touch_are_merged_by_their_options() -> None:
    mine = sub(BASE, ("fast = false", "fast = true"))
    theirs = sub(BASE, ("ports = [25, 26]", "ports = [25]"))
    merged = merge(BASE, mine, theirs)
    assert tomllib.loads(merged)["net"] == {"fast": True, "ports": [25]}
    assert "# slow line" in merged


def test_two_tables_added_in_one_place_are_both_there() -> None:
    mine = BASE + '\n[[listeners]]\nname = "Third"\nport = 27\n'
    theirs = BASE + '\n[[listeners]]\nname = "Fourth"\nport = 28\n'
    merged = tomllib.loads(merge(BASE, mine, theirs))
    assert [one["name"] for one in merged["listeners"]] == ["In", "Out", "Fourth", "Third"]


def test_a_table_taken_out_beside_a_change_stays_out() -> None:
    mine = BASE[: BASE.index("# for the applications")]
    theirs = sub(BASE, ('match = "10.0.0.0/8"', 'match = "10.1.0.0/16"'))
    merged = merge(BASE, mine, theirs)
    assert [one["name"] for one in tomllib.loads(merged)["listeners"]] == ["In"]
    assert "10.1.0.0/16" in merged


def test_the_same_change_made_twice_is_no_conflict() -> None:
    mine = sub(BASE, ("fast = false", "fast = true"), ("port = 26", "port = 27"))
    theirs = sub(BASE, ("fast = false", "fast = true"))
    assert merge(BASE, mine, theirs) == mine
    assert merge(BASE, mine, mine) == mine


@pytest.mark.parametrize(
    ("mine", "theirs", "keys"),
    [
        (("fast = false", "fast = true"), ("fast = false", "fast = 2"), ("net.fast",)),
        (("port = 26", "port = 1"), ("port = 26", "port = 2"), ("listeners.Out.port",)),
        (("port = 26", "port = 1"), ('\n[[listeners]]\nname = "Out"\nport = 26\n', "\n"), ("listeners.Out.port",)),
        (("[25, 26]", "[]"), ("ports = [25, 26]", ""), ("net.ports",)),
    ],
)
def test_what_meets_is_named(mine: tuple[str, str], theirs: tuple[str, str], keys: tuple[str, ...]) -> None:
    with pytest.raises(Conflict) as caught:
        merge(BASE, sub(BASE, mine), sub(BASE, theirs))
    assert caught.value.keys == keys


def test_a_table_one_removed_and_the_other_changed_is_a_conflict() -> None:
    removed = BASE[: BASE.index("# for the applications")]
    with pytest.raises(Conflict, match=r"listeners\.Out"):
        merge(BASE, removed, sub(BASE, ("port = 26", "port = 27")))


def test_nothing_of_mine_leaves_theirs_and_nothing_of_theirs_leaves_mine() -> None:
    other = BASE + "\n# end\n"
    assert merge(BASE, BASE, other) == other
    assert merge(BASE, other, BASE) == other


def test_the_difference_is_that_of_diff() -> None:
    told = difference(BASE, sub(BASE, ("fast = false", "fast = true")))
    assert told.splitlines()[0].startswith("@@ ")
    assert "-fast = false\n+fast = true" in told
    assert difference(BASE, BASE) == ""
