"""Tickets: what a face shows for somebody who has proved who he is. Each is for one use.

A ticket of the REST API is for commands and ends with its call; one of SSH is for lines and ends with its connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignInRefused

TICKET_BYTES = 16
BEGUN_SECONDS = 60.0  # from a proof to the connection that is made: SSH allows 20 for the whole sign-in
CALL_SECONDS = 60.0  # from the sign-in of a REST call to its last command
WAITING_MAX = 2_000  # tickets that are not of a connection: calls of two seconds at the highest rate
ENTERED_MAX = 200  # connections: twice what the SSH face lets in
VISITS_MAX = 10  # at once on one connection, as the SSH face has it


class Use(StrEnum):
    CODE = "code"  # the pass phrase was right, the second factor is missing
    BEGUN = "begun"  # proved; the connection is being made
    LINES = "lines"  # of a connection
    COMMANDS = "commands"  # of a REST call
    EXCHANGE = "exchange"  # of a member of our cluster


@dataclass(slots=True)
class Holder:
    """`who` gives the person as of now or raises SignInRefused. `member`: the key of a member of our cluster."""

    use: Use
    user: str
    address: str
    who: Callable[[], Person]
    member: str = ""
    until: float = 0.0  # monotonic; 0 = as long as the connection
    visits: int = 0


class Tickets:
    def __init__(self, *, monotonic: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._monotonic = monotonic
        self._random = random
        self._held: dict[str, Holder] = {}
        self._entered: dict[str, Holder] = {}

    def give(self, holder: Holder, seconds: float) -> str:
        """A new one, good for so long. The oldest goes when there are too many."""
        holder.until = self._monotonic() + seconds
        while self._held and (len(self._held) >= WAITING_MAX or self._over(next(iter(self._held.values())))):
            del self._held[next(iter(self._held))]
        ticket = self._random(TICKET_BYTES).hex()
        self._held[ticket] = holder
        return ticket

    def _over(self, holder: Holder) -> bool:
        return holder.until < self._monotonic()

    def holder(self, ticket: str, use: Use) -> Holder:
        """Raises SignInRefused: there is none, it is for something else, or its time is over."""
        found = self._entered.get(ticket) or self._held.get(ticket)
        if found is None or found.use is not use or (found.until and self._over(found)):
            raise SignInRefused
        return found

    def used(self, ticket: str) -> None:
        self._held.pop(ticket, None)

    def enter(self, ticket: str) -> Holder:
        """From now on it lasts as long as its connection. Raises SignInRefused."""
        found = self.holder(ticket, Use.BEGUN)
        self.used(ticket)
        if len(self._entered) >= ENTERED_MAX:
            raise SignInRefused
        found.use, found.until = Use.EXCHANGE if found.member else Use.LINES, 0.0
        self._entered[ticket] = found
        return found

    def leave(self, ticket: str) -> None:
        self._entered.pop(ticket, None)
        self.used(ticket)
