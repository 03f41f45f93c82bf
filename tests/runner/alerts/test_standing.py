"""What lasts is said when it begins and when it ends."""

from pratique.runner.alerts.standing import Standing, Standings
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

BEGUN = log.Alarm(message="gw2 has not been reached", condition=Condition.LINK, subject="S2")
LINK = Standing(Condition.LINK, "S2", BEGUN, "gw2 is reached again")
LOCKED = Standing(Condition.LOCKED, "S2", None, "gw2 is not locked any more")


def test_a_condition_is_said_once_and_its_end_once() -> None:
    standings = Standings()
    assert standings.look([LINK]) == [BEGUN]
    assert standings.look([LINK]) == []
    (over,) = standings.look([])
    assert over == log.Over(message="gw2 is reached again", condition=Condition.LINK, subject="S2")
    assert standings.look([]) == []


def test_of_one_that_was_said_elsewhere_only_the_end_is() -> None:
    standings = Standings()
    assert standings.look([LOCKED]) == []
    assert [event.text() for event in standings.look([])] == ["gw2 is not locked any more"]


def test_two_subjects_are_two_conditions() -> None:
    standings = Standings()
    other = Standing(Condition.LINK, "S3", BEGUN, "x")
    assert len(standings.look([LINK, other])) == 2
    assert [event.text() for event in standings.look([LINK])] == ["x"]
