"""What is decided after a set-back: the tables, and that nothing which they lack is guessed."""

import pytest

from pratique.delivery.custody import GatewayCopy, ManagerCopy
from pratique.delivery.recovery import ADOPT, ADOPT_RELEASE, RECONCILE, Release, Shown, Told, adopted, reconciled


@pytest.mark.parametrize(("row", "after"), RECONCILE.items())
def test_a_manager_follows_its_table(row: tuple[ManagerCopy, Told], after: ManagerCopy) -> None:
    assert reconciled(*row) is after


@pytest.mark.parametrize(("row", "after"), ADOPT.items())
def test_a_gateway_follows_its_table(row: tuple[GatewayCopy, Shown], after: GatewayCopy) -> None:
    assert adopted(*row) is after


@pytest.mark.parametrize("state", ManagerCopy)
def test_silence_changes_nothing(state: ManagerCopy) -> None:
    assert reconciled(state, Told.NOTHING) is state


@pytest.mark.parametrize(
    ("state", "told", "after"),
    [
        (ManagerCopy.RELEASING, Told.TAKEN, ManagerCopy.RELEASED),
        (ManagerCopy.RELEASING, Told.ENDED, ManagerCopy.CLOSED),
        (ManagerCopy.RELEASED, Told.ENDED, ManagerCopy.CLOSED),
        (ManagerCopy.DOUBT, Told.ENDED, ManagerCopy.CLOSED),
        (ManagerCopy.DOUBT, Told.TAKEN, ManagerCopy.DOUBT),
        (ManagerCopy.CLOSED, Told.DELETED, ManagerCopy.CLOSED),
    ],
)
def test_a_release_that_is_known_is_answered_as_in_ordinary_life(
    state: ManagerCopy, told: Told, after: ManagerCopy
) -> None:
    assert reconciled(state, told) is after


@pytest.mark.parametrize("state", [GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT, GatewayCopy.LOCAL, GatewayCopy.DONE])
@pytest.mark.parametrize("shown", [Shown.CANC, Shown.DOUBT, Shown.LOST])
def test_what_may_have_been_delivered_since_waits_for_a_person(state: GatewayCopy, shown: Shown) -> None:
    assert adopted(state, shown) is GatewayCopy.DOUBT


def test_a_release_that_the_manager_does_not_know_is_not_thrown_away() -> None:
    assert set(ADOPT_RELEASE) == set(Release)
    assert ADOPT_RELEASE[Release.NONE] is GatewayCopy.DOUBT
