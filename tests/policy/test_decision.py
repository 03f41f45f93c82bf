from pratique.policy.decision import Disposition


def test_equal_decisions_are_one():
    assert {Disposition((0,), "DEFAULT", "deliver"), Disposition((0,), "DEFAULT", "deliver")} == {
        Disposition((0,), "DEFAULT", "deliver")
    }
    assert Disposition((0,), "DEFAULT", "deliver") != Disposition((0,), "DEFAULT", "drop")
