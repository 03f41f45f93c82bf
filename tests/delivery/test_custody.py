"""The custody tables: what a receiver answers, what a sender makes of it, and what a table must never say."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.custody import (
    CANCEL,
    GATEWAY,
    GROUP,
    MANAGER,
    NOTHING,
    TABLES,
    Answer,
    Content,
    Event,
    GatewayCopy,
    ManagerCopy,
    Remembered,
    Tombstone,
    gateway_next,
    manager_next,
    on_cancel,
    on_group,
)

ACC = Remembered(Tombstone.ACC, "seal", "peer")
CANC = Remembered(Tombstone.CANC, "seal", "peer")


@pytest.mark.parametrize(
    ("memory", "seal", "group", "cancel"),
    [  # the receiver's table of cpq.md §4, line by line
        (NOTHING, "seal", Answer.COMMIT_ACC, Answer.COMMIT_CANC),
        (ACC, "seal", Answer.ACC_AGAIN, Answer.ACC_AGAIN),
        (ACC, "other", Answer.CONFLICT, Answer.CONFLICT),
        (CANC, "seal", Answer.CANCELLED, Answer.CANC_AGAIN),
        (CANC, "other", Answer.CANCELLED, Answer.CANC_AGAIN),
    ],
)
def test_receiver_answers_by_the_book(memory: Remembered, seal: str, group: Answer, cancel: Answer) -> None:
    assert on_group(memory, seal, "peer") is group
    assert on_cancel(memory, seal, "peer") is cancel


@pytest.mark.parametrize("memory", [ACC, CANC])
def test_an_id_held_for_another_peer_is_a_conflict(memory: Remembered) -> None:
    assert on_group(memory, "seal", "stranger") is Answer.CONFLICT
    assert on_cancel(memory, "seal", "stranger") is Answer.CONFLICT


@pytest.mark.parametrize("kind", [Tombstone.ACC, Tombstone.CANC])
def test_an_inferred_tombstone_matches_any_seal_but_not_any_peer(kind: Tombstone) -> None:
    inferred = Remembered(kind, "-", "peer")
    assert on_group(inferred, "whatever", "peer") is GROUP[kind, Content.SAME]
    assert on_cancel(inferred, "whatever", "peer") is CANCEL[kind, Content.SAME]
    assert on_group(inferred, "whatever", "stranger") is Answer.CONFLICT


seals = st.sampled_from(["seal", "other"])
peers = st.sampled_from(["peer", "stranger"])
units = st.lists(st.tuples(st.booleans(), seals, peers), max_size=12)


@given(units)
def test_one_id_is_committed_once_and_for_one_content(history: list[tuple[bool, str, str]]) -> None:
    """Whatever comes in whatever order: at most one commit, and ACC is only ever said to the content that is held."""
    memory = NOTHING
    commits = 0
    for is_group, seal, peer in history:
        answer = (on_group if is_group else on_cancel)(memory, seal, peer)
        if answer in (Answer.COMMIT_ACC, Answer.COMMIT_CANC):
            commits += 1
            kind = Tombstone.ACC if answer is Answer.COMMIT_ACC else Tombstone.CANC
            memory = Remembered(kind, seal, peer)
        if answer in (Answer.COMMIT_ACC, Answer.ACC_AGAIN):
            assert (memory.kind, memory.seal, memory.peer) == (Tombstone.ACC, seal, peer)
        if answer in (Answer.COMMIT_CANC, Answer.CANC_AGAIN, Answer.CANCELLED):
            assert (memory.kind, memory.peer) == (Tombstone.CANC, peer)
    assert commits == bool(history)


def test_tables_answer_every_case_that_can_arise() -> None:
    cases = {(kind, content) for kind, content in product(Tombstone, Content)} - {(Tombstone.NONE, Content.OTHER)}
    assert set(GROUP) == set(CANCEL) == cases


@pytest.mark.parametrize(("row", "after"), GATEWAY.items())
def test_gateway_follows_its_table(row: tuple[GatewayCopy, Event], after: GatewayCopy) -> None:
    assert gateway_next(*row) is after


@pytest.mark.parametrize(("row", "after"), MANAGER.items())
def test_manager_follows_its_table(row: tuple[ManagerCopy, Event], after: ManagerCopy) -> None:
    assert manager_next(*row) is after


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (GatewayCopy.QUEUED, Event.ACC),  # nothing was offered
        (GatewayCopy.DONE, Event.CANC),  # the manager has it: it cannot have cancelled it
        (GatewayCopy.LOCAL, Event.ACC),  # ... and the other way round
        (GatewayCopy.DOUBT, Event.ACC),
        (GatewayCopy.IN_DOUBT, Event.INTEND),
    ],
)
def test_gateway_never_guesses(state: GatewayCopy, event: Event) -> None:
    with pytest.raises(KeyError):
        gateway_next(state, event)


def test_a_hold_is_decided_once() -> None:
    for state in set(ManagerCopy) - {ManagerCopy.HELD}:
        for event in (Event.RELEASE, Event.DELETE):
            with pytest.raises(KeyError):
                manager_next(state, event)


def test_what_is_in_doubt_moves_only_by_a_verdict() -> None:
    """X ends by ACC, CANC or the DEL row, and by nothing else (I4: no two routes)."""
    ends = {event for (state, event) in GATEWAY if state is GatewayCopy.IN_DOUBT}
    assert ends == {Event.ACC, Event.CANC, Event.DELETED_ROW}


def test_manager_repeats_are_harmless() -> None:
    """Applying a verdict or a FIN row twice leaves what applying it once left."""
    for (state, event), after in MANAGER.items():
        if event in (Event.ACC, Event.CANC, Event.FIN):
            assert manager_next(after, event) is after, (state, event)


def test_nothing_comes_back_from_an_end() -> None:
    for (state, _), after in MANAGER.items():
        if state in (ManagerCopy.CLOSED, ManagerCopy.DELETED):
            assert after is state


def test_a_changed_table_changes_the_answer() -> None:
    """The model's mutants rest on this."""
    forgetful = replace(TABLES, group={**GROUP, (Tombstone.ACC, Content.SAME): Answer.COMMIT_ACC})
    assert on_group(ACC, "seal", "peer", forgetful) is Answer.COMMIT_ACC
    assert on_group(ACC, "seal", "peer") is Answer.ACC_AGAIN
