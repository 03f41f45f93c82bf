"""The reception in the process that has the store: it alone decides who somebody is, and does the lines.

What SSH signs in by: pass phrases, keys with their signatures, codes; the keys of other appliances and of members of
our cluster. Invariant: a ticket is given for a proof that was checked here, whatever a face says of it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pratique.console.access.key_proof import KeyProof
from pratique.console.access.roles import Person
from pratique.console.access.signin import SignIn, SignInRefused
from pratique.console.commands import credentials
from pratique.console.commands.cluster import ACCOUNT, ClusterRefused
from pratique.console.commands.desk import Desk
from pratique.console.commands.peer_signin import MACHINE_USER, machine_of, machine_person
from pratique.console.remote.interface import LineDone, Standing, Step
from pratique.console.remote.tickets import BEGUN_SECONDS, VISITS_MAX, Holder, Tickets, Use
from pratique.console.verbs.line import reminder, run_line
from pratique.console.verbs.verb import Talk, load_verbs, usable

PROOFS_MAX = 10_000  # signatures that were used; the oldest are forgotten
NOBODY = Person("", "", "")


def _nobody() -> Person:
    raise SignInRefused


class LocalReception:
    """`note` hears (what, user, address) of each sign-in."""

    def __init__(self, desk: Desk, signin: SignIn, *, note: Callable[[str, str, str], None]) -> None:
        self._desk = desk
        self._signin = signin.heard_by(note)
        self._note = note
        self._tickets = Tickets(monotonic=desk.clock.monotonic, random=desk.clock.random)
        self._used: OrderedDict[bytes, None] = OrderedDict()
        self._prepared = False

    async def prepare(self) -> None:
        """Load the verbs, in a thread, so that mail goes on; the first session does so else."""
        if not self._prepared:
            await asyncio.to_thread(load_verbs)
            self._prepared = True

    @property
    def tickets(self) -> Tickets:
        return self._tickets

    # --- proofs
    async def passphrase(self, user: str, text: str, address: str) -> Step:
        if user in (MACHINE_USER, ACCOUNT):  # appliances have keys only, also where somebody once was called so
            raise SignInRefused
        await self._signin.by_password(user, text, address)
        if credentials.has_code(self._desk, user):
            return Step(self._tickets.give(Holder(Use.CODE, user, address, _nobody), BEGUN_SECONDS), code=True)
        return self._begun(user, "password", address)

    async def code(self, ticket: str, text: str) -> Step:
        holder = self._tickets.holder(ticket, Use.CODE)
        self._tickets.used(ticket)
        user, desk = holder.user, self._desk
        await self._signin.by_code(user, holder.address, lambda: credentials.take_code(desk, user, text))
        return self._begun(user, "password+code", holder.address)

    async def knows_key(self, user: str, line: str) -> bool:
        clusters = self._desk.clusters
        if user == ACCOUNT:
            return clusters is not None and clusters.knows(_public(line))
        if user == MACHINE_USER:
            return bool(machine_of(self._desk, line))
        return credentials.is_key(self._desk, user, line)

    async def key(self, user: str, line: str, proof: KeyProof, address: str) -> Step:
        if not await self.knows_key(user, line) or proof.digest in self._used or not proof.proves(user, line):
            self._note("sign-in-failed", user, address)  # SSH has checked it before: somebody else says so
            raise SignInRefused
        self._used[proof.digest] = None
        while len(self._used) > PROOFS_MAX:
            self._used.popitem(last=False)
        if user == ACCOUNT:
            holder = Holder(Use.BEGUN, user, address, lambda: NOBODY, member=_public(line))
            return Step(self._tickets.give(holder, BEGUN_SECONDS))
        if user == MACHINE_USER:
            desk, serial = self._desk, machine_of(self._desk, line)
            holder = Holder(Use.BEGUN, user, address, lambda: machine_person(desk, serial))
            return Step(self._tickets.give(holder, BEGUN_SECONDS))
        return self._begun(user, "key", address)

    def _begun(self, user: str, authn: str, address: str) -> Step:
        signin = self._signin
        standing = signin.standing(user, authn, "")
        holder = Holder(Use.BEGUN, user, address, lambda: signin.still(standing))
        return Step(self._tickets.give(holder, BEGUN_SECONDS))

    # --- connections
    async def enter(self, ticket: str) -> None:
        holder = self._tickets.enter(ticket)
        if not holder.member:  # every half a minute from every member: no row of the audit
            self._note("sign-in", holder.who().name, holder.address)

    def leave(self, ticket: str) -> None:
        self._tickets.leave(ticket)

    async def visit(self, ticket: str, *, greeted: bool) -> "LocalVisit":
        holder = self._tickets.holder(ticket, Use.LINES)
        if holder.visits >= VISITS_MAX:
            raise SignInRefused
        await self.prepare()
        holder.visits += 1
        visit = LocalVisit(self._desk.for_session(), holder)
        if greeted:
            await visit.greet()
        return visit

    async def exchange(self, ticket: str, command: str, sent: str) -> str:
        holder = self._tickets.holder(ticket, Use.EXCHANGE)
        if self._desk.clusters is None:
            raise ClusterRefused("this appliance is in no cluster")
        return await self._desk.clusters.answer(holder.member, command, sent)


@dataclass(slots=True)
class LocalVisit:
    desk: Desk
    holder: Holder
    greeting: str = ""
    closed: bool = False

    async def greet(self) -> None:
        """Raises SignInRefused."""
        desk = self.desk
        told = await reminder(desk, self.holder.who)
        first = f"Pratique {desk.role} {desk.version}. `help` lists the commands, `exit` ends.\n"
        self.greeting = first + (f"{told}\n" if told else "")

    @property
    def standing(self) -> Standing:
        return Standing(self.desk.prompt, self._names())

    def _names(self) -> tuple[str, ...]:
        try:
            return tuple(usable(self.desk, self.holder.who()))
        except SignInRefused:
            return ()

    async def run(self, line: str, talk: Talk) -> LineDone:
        outcome = await run_line(self.desk, self.holder.who, line, talk)
        return LineDone(outcome.status, outcome.ended, self.standing)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.holder.visits -= 1


def _public(line: str) -> str:
    return " ".join(line.split()[:2])
