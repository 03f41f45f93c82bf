import pytest

from pratique.quarantine.kinds import DAY_S, HOUR_S, SYSTEM_MADE, DefaultAction, Kind, kind_of


@pytest.mark.parametrize(
    ("name", "kind", "retention_s", "action", "deletable"),
    [
        ("Policy", "policy", 10 * DAY_S, "delete", True),
        ("Virus", "virus", 30 * DAY_S, "delete", False),
        ("Outbreak", "outbreak", DAY_S, "release", False),
        ("Unclassified", "unclassified", 30 * DAY_S, "release", False),
        ("File Analysis", "amp", HOUR_S, "release", False),
    ],
)
def test_what_the_system_makes(name, kind, retention_s, action, deletable):
    made = SYSTEM_MADE[name]
    assert (made.kind, made.retention_s, made.default_action) == (kind, retention_s, action)
    assert made.deletable is deletable


def test_only_unclassified_cannot_be_named_by_a_filter():
    assert [name for name, made in SYSTEM_MADE.items() if not made.assignable] == ["Unclassified"]


def test_the_kind_of_a_name():
    assert kind_of("Virus") is Kind.VIRUS
    assert kind_of("Legal") is Kind.POLICY
    assert kind_of("virus") is Kind.POLICY  # names count with their case


def test_kinds_and_actions_are_those_of_the_wire():
    assert {str(kind) for kind in Kind} == {"policy", "virus", "outbreak", "amp", "unclassified"}
    assert {str(action) for action in DefaultAction} == {"release", "delete"}
