"""Tickets are for one use, end in time, and cannot be piled up."""

import itertools

import pytest

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignInRefused
from pratique.console.remote import tickets as module
from pratique.console.remote.tickets import Holder, Tickets, Use

ANNA = Person("anna", "operator", "password")


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def tickets(time: Time) -> Tickets:
    numbers = itertools.count()
    return Tickets(monotonic=time, random=lambda count: next(numbers).to_bytes(count))


def holder(use: Use, **fields: str) -> Holder:
    return Holder(use, "anna", "192.0.2.1", lambda: ANNA, **fields)


@pytest.mark.parametrize("given", list(Use))
def test_a_ticket_is_good_for_its_own_use_alone(tickets: Tickets, given: Use) -> None:
    ticket = tickets.give(holder(given), 60)
    for use in Use:
        if use is given:
            assert tickets.holder(ticket, use).who() == ANNA
        else:
            with pytest.raises(SignInRefused):
                tickets.holder(ticket, use)


@pytest.mark.parametrize("ticket", ["", "0", "ff" * 16])
def test_a_ticket_that_was_never_given_is_refused(tickets: Tickets, ticket: str) -> None:
    tickets.give(holder(Use.COMMANDS), 60)
    for use in Use:
        with pytest.raises(SignInRefused):
            tickets.holder(ticket, use)


def test_a_ticket_ends_in_time_and_one_of_a_connection_with_it(tickets: Tickets, time: Time) -> None:
    call, begun = tickets.give(holder(Use.COMMANDS), 60), tickets.give(holder(Use.BEGUN), 60)
    tickets.enter(begun)
    time.now += 61
    with pytest.raises(SignInRefused):
        tickets.holder(call, Use.COMMANDS)
    assert tickets.holder(begun, Use.LINES).who() == ANNA
    tickets.leave(begun)
    with pytest.raises(SignInRefused):
        tickets.holder(begun, Use.LINES)


@pytest.mark.parametrize("use", [Use.CODE, Use.COMMANDS, Use.LINES])
def test_only_what_was_proved_whole_enters_and_once(tickets: Tickets, use: Use) -> None:
    with pytest.raises(SignInRefused):
        tickets.enter(tickets.give(holder(use), 60))
    ticket = tickets.give(holder(Use.BEGUN), 60)
    tickets.enter(ticket)
    with pytest.raises(SignInRefused):
        tickets.enter(ticket)


def test_a_member_of_the_cluster_enters_for_the_exchange_alone(tickets: Tickets) -> None:
    ticket = tickets.give(holder(Use.BEGUN, member="ssh-ed25519 AAAA"), 60)
    tickets.enter(ticket)
    assert tickets.holder(ticket, Use.EXCHANGE).member == "ssh-ed25519 AAAA"
    with pytest.raises(SignInRefused):
        tickets.holder(ticket, Use.LINES)


def test_tickets_and_connections_are_bounded(tickets: Tickets, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 5)
    monkeypatch.setattr(module, "ENTERED_MAX", 3)
    given = [tickets.give(holder(Use.BEGUN), 60) for _ in range(50)]
    assert len(tickets._held) == 5
    with pytest.raises(SignInRefused):
        tickets.enter(given[0])
    for ticket in given[-3:]:
        tickets.enter(ticket)
    with pytest.raises(SignInRefused):
        tickets.enter(given[-4])
