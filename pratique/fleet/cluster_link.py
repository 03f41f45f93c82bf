"""The exchange between members of a cluster: each with every other, over SSH, on a change and now and then.

One exchange: "exchange DIGEST" as the account ACCOUNT with our client key; the other answers SAME when it has the same
state, else it wants ours on its standard input, takes it up and answers with what both now know. A member that was
removed hears GONE. Whoever cannot be reached is tried again, later and later; the others are not kept waiting.

Not here: what a state does to this machine (front/cluster.py), and the SSH server (console/ssh).
"""

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pratique.fleet.cluster import Member
from pratique.fleet.cluster_file import STATE_BYTES_MAX, Membership
from pratique.fleet.patience import Patience
from pratique.fleet.replica import StateUnreadable, dumps

ACCOUNT = "cluster"  # members, and machines that may join by key; never a user
EXCHANGE, JOIN = "exchange", "join"  # commands of the account
SAME, STATE, GONE, APART, REFUSED = "same", "state", "gone", "apart", "refused"  # first words of answers
NO_MEMBER = f"{REFUSED}\nthis machine is in no cluster"  # never GONE: that would send the asking one away, too
DEADLINE_SECONDS = 20.0  # one exchange, a state of 8 MiB over a slow line among them
DISCONNECTED = "it is disconnected from the cluster"


class LinkFault(Exception):
    """Why an exchange failed, and what to do about it."""

    def __init__(self, why: str, cure: str) -> None:
        super().__init__(f"{why}; {cure}" if cure else why)


class Dial(Protocol):
    """How another member is reached."""

    async def __call__(self, member: Member, command: str, sent: str) -> str:
        """What it answers. Raises LinkFault."""
        ...


class Seat(Protocol):
    """What the link serves."""

    @property
    def membership(self) -> Membership | None: ...

    async def hear(self, text: str, whose: str) -> None:
        """Take up what a state of another member adds. Durable on return. Raises StateUnreadable, OSError."""
        ...

    async def removed(self, by: str) -> None:
        """The others have removed this machine."""
        ...


@dataclass(slots=True)
class Standing:
    """How it stands with one peer. Times in ms."""

    up: bool | None = None  # None: not tried yet
    error: str = ""
    heard_at: int = 0
    in_step: bool = False
    patience: Patience = field(default_factory=Patience)
    task: "asyncio.Task[Any] | None" = None


@dataclass(frozen=True, slots=True)
class Clocks:
    monotonic: Callable[[], float]
    now_ms: Callable[[], int]


Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]
POLL_SECONDS = 1.0  # how finely the periods are kept


class ClusterLink:
    """`told` hears of every change of a peer's standing: its name, and what went wrong ("" = it is well again)."""

    def __init__(
        self, seat: Seat, dial: Dial, clocks: Clocks, *, spawn: Spawn, told: Callable[[str, str], None]
    ) -> None:
        self._seat = seat
        self._dial = dial
        self._clocks = clocks
        self._spawn = spawn
        self._told = told
        self._standing: dict[str, Standing] = {}
        self._changed = asyncio.Event()

    def standing(self, ident: str) -> Standing:
        return self._standing.setdefault(ident, Standing())

    def changed(self) -> None:
        """The state, the members or who is apart changed: speak with everybody soon."""
        now = self._clocks.monotonic()
        for standing in self._standing.values():
            standing.in_step = False
            standing.patience.hurry(now)
        self._changed.set()

    def heard_from(self, ident: str, *, in_step: bool) -> None:
        """A peer has just spoken to us."""
        standing = self.standing(ident)
        standing.heard_at = self._clocks.now_ms()
        standing.in_step = in_step
        standing.patience.back(self._clocks.monotonic())
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._changed.clear()
            for member in self.peers():
                self._begin(member)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._changed.wait()

    def peers(self) -> list[Member]:
        """The members with which we exchange states."""
        membership = self._seat.membership
        if membership is None or membership.ident in membership.apart:
            return []
        members = membership.cluster.members()
        return [m for m in members if m.ident != membership.ident and m.ident not in membership.apart]

    def _begin(self, member: Member) -> None:
        standing = self.standing(member.ident)
        busy = standing.task is not None and not standing.task.done()
        if not busy and standing.patience.due <= self._clocks.monotonic():
            standing.task = self._spawn(self.exchange(member), f"exchange with {member.name}")

    async def exchange(self, member: Member) -> None:
        """Once, now. Never raises for what the network or the peer does."""
        standing = self.standing(member.ident)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                standing.in_step = await self._exchange(member)
        except (LinkFault, StateUnreadable, OSError, TimeoutError) as error:
            why = str(error) or f"{member.name} did not answer in {DEADLINE_SECONDS:.0f} s"
            standing.patience.failed(self._clocks.monotonic())
            if standing.up is not False or standing.error != why:
                self._told(member.name, why)
            standing.up, standing.error, standing.in_step = False, why, False
            return
        standing.patience.succeeded(self._clocks.monotonic())
        standing.heard_at = self._clocks.now_ms()
        if not standing.in_step:
            standing.patience.hurry(self._clocks.monotonic())
        if standing.up is False:
            self._told(member.name, "")
        standing.up, standing.error = True, ""

    async def _exchange(self, member: Member) -> bool:
        """Whether both have the same state now."""
        membership = self._seat.membership
        if membership is None:
            return False
        answer = await self._dial(member, f"{EXCHANGE} {membership.state.digest()}", "")
        if answer.partition("\n")[0] == STATE:  # it has another one
            answer = await self._dial(member, EXCHANGE, dumps(membership.state))
        word, _, rest = answer.partition("\n")
        now = self._seat.membership
        if now is None or now.cluster.is_gone(member):
            return False  # it was removed while it was asked: neither what it has nor what it says of us counts
        if word == GONE:
            await self._seat.removed(member.name)
        elif word == APART:
            raise LinkFault(f"{member.name} does not speak with us: {DISCONNECTED}", "reconnect it there")
        elif word == STATE:
            await self._seat.hear(rest, member.name)
            now = self._seat.membership
            return now is not None and dumps(now.state) == rest
        elif word != SAME:
            raise LinkFault(
                f"{member.name} refuses the exchange: {rest.strip()[:200]!a}", "see its log and its version"
            )
        return True


async def answered(seat: Seat, link: ClusterLink, member: Member, command: str, sent: str) -> str:
    """What a member with a key that we know hears from us. Raises OSError."""
    membership = seat.membership
    if membership is None:
        return NO_MEMBER
    if membership.cluster.is_gone(member):
        return GONE
    if membership.apart & {membership.ident, member.ident}:
        return APART
    word, _, digest = command.partition(" ")
    if word != EXCHANGE:
        return f"{REFUSED}\nthere is no such command"
    if digest:
        same = digest == membership.state.digest()
        link.heard_from(member.ident, in_step=same)
        return SAME if same else STATE
    try:
        await seat.hear(sent, member.name)
    except StateUnreadable as error:
        return f"{REFUSED}\n{error}"
    now = seat.membership
    if now is None:
        return NO_MEMBER
    if now.cluster.is_gone(member):
        return GONE
    link.heard_from(member.ident, in_step=True)
    return f"{STATE}\n{dumps(now.state)}"


def ssh_dial(key: Path) -> Dial:
    """Over SSH, with our client key; the host key of the member is the one that the cluster knows."""

    async def dial(member: Member, command: str, sent: str) -> str:
        ssh = await asyncio.to_thread(importlib.import_module, "pratique.fleet.ssh_client")  # half a second, once
        contact = member.contact
        try:
            said = await ssh.run(
                ssh.Target(contact.address, contact.port, ACCOUNT, contact.host_key),
                ssh.ByKey(key),
                command,
                seconds=DEADLINE_SECONDS,
                output_max=STATE_BYTES_MAX,
                sent=sent.encode(),
            )
        except ssh.SshFault as fault:
            raise LinkFault(f"{member.name}: {fault.why}", fault.cure) from fault
        if said.status:
            raise LinkFault(f"{member.name} refuses the exchange: {said.err.strip()[:200]!a}", "see its log")
        return str(said.out)

    return dial
