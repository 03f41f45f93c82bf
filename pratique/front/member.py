"""This machine as a member of a cluster: what it knows, what of it is in force here, and how it is changed.

Everything that changes the membership goes through one lock: the new state is durable first, then what the machine can
use of it comes into force, then the others hear of it. What it cannot use is named and leaves in force what was; the
state itself is kept whole, for the other members may be able to use it.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pratique import __version__
from pratique.config.levels import present, usable, without
from pratique.config.reading import loads
from pratique.fleet import cluster_file
from pratique.fleet.cluster import Author, Cluster, Facts, Member
from pratique.fleet.cluster_file import Membership
from pratique.fleet.replica import loads as state_of
from pratique.fleet.replica import merge
from pratique.front.effective import effective
from pratique.front.features import FEATURES
from pratique.front.files import check_text
from pratique.front.interfaces import users_of
from pratique.front.options import FILE, GatewayOptions

Texts = dict[str, str]


class Machine(Protocol):
    """What the membership does to the appliance."""

    def text(self) -> str:
        """Its own committed file. Raises OSError."""
        ...

    def reload(self) -> None:
        """What is in force has changed."""
        ...

    async def commit(self, former: str, text: str, *, by: str, comment: str) -> None:
        """Its own file has this text. Durable. Raises NotConfigured, OSError, StoreFailed."""
        ...

    def note(self, text: str) -> None: ...

    def trouble(self, text: str, subject: str) -> None:
        """For the log and the alerts; `subject`: what of, so that it is told once."""
        ...

    def over(self, text: str, subject: str) -> None:
        """What was told of `subject` is so no more."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    now_ms: Callable[[], int]


class Seat:
    """`changed` is called after each change, when the others are to hear of it."""

    def __init__(self, directory: Path, serial: str, machine: Machine, clock: Clock) -> None:
        self._directory = directory
        self._serial = serial
        self._machine = machine
        self._clock = clock
        self._changing = asyncio.Lock()
        self.changed: Callable[[], None] = lambda: None
        self.membership: Membership | None = cluster_file.read(directory)

    def author(self, by: str) -> Author:
        return Author(self._serial, by, self._clock.now_ms())

    # --- changes
    async def change(self, change: Callable[[Cluster], Cluster], by: str) -> Cluster:
        """A change of the cluster by a person of this machine. Durable, and in force here, on return. Raises
        ClusterRefused, OSError."""
        async with self._changing:
            before = self._inside()
            after = change(before.cluster)
            await self._keep(replace(before, state=after.state), by)
            self._settled(before, after.state.conflicts())
        self.changed()
        return after

    async def hear(self, text: str, whose: str) -> None:
        """Seat of fleet.cluster_link."""
        heard = await asyncio.to_thread(state_of, text)
        async with self._changing:
            before = self.membership
            if before is None:
                return
            after = merge(before.state, heard)
            if after == before.state:
                return
            if before.ident in after.gone:
                await self._leave(f"cluster:{whose}", f"{whose} says that it was removed from the cluster")
                return
            new = [c for c in Cluster(after).conflicts() if c.register not in before.state.conflicts()]
            await self._keep(replace(before, state=after), f"cluster:{whose}")
            for conflict in new:
                what = f"{conflict.feature or conflict.register} of {conflict.level}"
                why = f"cluster: {what} was changed apart on two sides; `clustercheck` shows both, choose one"
                self._machine.trouble(why, conflict.register)
            self._settled(before, after.conflicts())
        self.changed()

    async def removed(self, by: str) -> None:
        """Seat of fleet.cluster_link."""
        async with self._changing:
            if self.membership is not None:
                await self._leave(f"cluster:{by}", f"{by} says that it was removed from the cluster")
        self.changed()

    async def leave(self, by: str) -> None:
        """A person takes this machine out. What is in force stays so, as settings of its own. Raises OSError."""
        async with self._changing:
            self._inside()
            await self._leave(by, "it left the cluster")
        self.changed()

    async def enter(self, ident: str, cluster: Cluster, by: str) -> None:
        """The machine is a member. What the levels set, and it can use, takes the place of its own settings: those go
        out of its file, which stays in the history. Raises NotConfigured, OSError."""
        async with self._changing:
            membership = Membership(ident, cluster.state)
            await self._keep(membership, by)
            assert self.membership is not None
            text = self._machine.text()
            replaced = [name for name in self.membership.in_force if name in present(text, FEATURES)]
            stripped = await asyncio.to_thread(self._stripped, text, replaced)
            await self._machine.commit(text, stripped, by=by, comment=f"joined the cluster {cluster.name}")
            await self._keep(self.membership, by)
        self.changed()

    async def set_apart(self, idents: frozenset[str]) -> None:
        """Exchange nothing with these members; our own ident: with nobody. Raises OSError."""
        async with self._changing:
            await self._write(replace(self._inside(), apart=idents))
        self.changed()

    async def look(self) -> None:
        """The machine's own file may have changed, or a new start found another state: settle what is in force, and
        tell the others what they must know of us."""
        async with self._changing:
            if self.membership is not None:
                before = self.membership.state
                await self._keep(self.membership, "")
                told = self.membership.state != before
            else:
                told = False
        if told:
            self.changed()

    # --- checks
    def problem_of(self, texts: Texts) -> str:
        """What is wrong for this machine with these inherited texts, "" = nothing. Blocking."""
        own = self._machine.text()
        options, problems = check_text(self._directory, own, file=FILE, inherited=texts)
        if problems:
            return "; ".join(map(str, problems[:3]))
        lacking = names_of(texts, skip=present(own, FEATURES)) - {one.name for one in options.interfaces}
        return f"there is no interface {', '.join(sorted(lacking))} on this machine" if lacking else ""

    # --- inside: the lock is held
    def _inside(self) -> Membership:
        from pratique.fleet.cluster import ClusterRefused

        if self.membership is None:
            raise ClusterRefused("this machine is in no cluster; `clusterconfig create` or `clusterconfig join`")
        return self.membership

    async def _keep(self, membership: Membership, by: str) -> None:
        """Durable, then in force as far as it can be used, with our own facts in it."""
        wanted = {name: text for name, (_, text) in membership.cluster.inherited(membership.me).items()}
        before = self.membership
        found = await asyncio.to_thread(usable, wanted, membership.in_force, self.problem_of)
        after = replace(membership, in_force=found.in_force, refused=found.refused)
        after = replace(after, state=after.cluster.with_facts(after.me, self._facts(after), self.author(by)).state)
        if after == before:
            return
        await self._write(after)
        for name, why in found.refused.items():
            if membership.refused.get(name) != why:
                text = f"cluster: the settings of {name} are not in force on this machine: {why}"
                self._machine.trouble(text, name)
        for name in sorted(set(membership.refused) - set(found.refused)):
            self._machine.over(f"cluster: the settings of {name} are in force on this machine", name)
        if before is None or before.in_force != after.in_force:
            self._machine.reload()

    def _settled(self, before: Membership, conflicts: Collection[str]) -> None:
        """Conflicts that there were and are no more."""
        for one in before.cluster.conflicts():
            if one.register not in conflicts:
                what = f"{one.feature or one.register} of {one.level}"
                self._machine.over(f"cluster: {what} is the same on all sides", one.register)

    def _facts(self, membership: Membership) -> Facts:
        text = self._machine.text()
        options = loads(text, GatewayOptions)[0]
        refused = tuple(sorted(f"{name}: {why}" for name, why in membership.refused.items()))
        names = tuple(sorted(one.name for one in options.interfaces))
        return Facts(names, tuple(sorted(present(text, FEATURES))), refused, __version__)

    async def _write(self, membership: Membership) -> None:
        await asyncio.to_thread(cluster_file.write, self._directory, membership)
        self.membership = membership

    def _stripped(self, text: str, names: list[str]) -> str:
        """Without those of its own settings that can go: the machine works with what it inherits in their place."""
        for name in names:
            tried = without(text, [name], FEATURES)
            if not check_text(self._directory, tried, file=FILE)[1]:
                text = tried
        return text

    async def _leave(self, by: str, why: str) -> None:
        """Own file first: after a crash between, the machine is still a member with settings of its own."""
        text = self._machine.text()
        whole = effective(self._directory, text, FILE)[0].text
        if whole != text:
            await self._machine.commit(text, whole, by=by, comment=why)
        await asyncio.to_thread(cluster_file.remove, self._directory)
        former, self.membership = self.membership, None
        if former is not None:
            self._settled(former, ())
            for name in former.refused:
                self._machine.over(f"cluster: this machine takes no settings of {name} from a cluster", name)
        self._machine.trouble(
            f"cluster: this machine is in no cluster any more: {why}; its settings are as they were", ""
        )
        self._machine.reload()


def names_of(pieces: Texts, *, skip: frozenset[str] = frozenset()) -> set[str]:
    """The interfaces that these features name."""
    found: set[str] = set()
    for feature, text in pieces.items():
        if feature not in skip:
            found |= {name for name, _ in users_of(loads(text, GatewayOptions)[0]).values() if name}
    return found


def lacking(member: Member, pieces: Texts) -> list[str]:
    """The interfaces that these features name and this member has not, as it last said."""
    return sorted(names_of(pieces, skip=frozenset(member.facts.overrides)) - set(member.facts.interfaces))


def port_interface(membership: Membership, own: str) -> str:
    """The interface that the quarantine port of this machine is to use, whether or not there is one; "" = none is
    named. `own`: the text of the machine's own file."""
    found = membership.cluster.inherited(membership.me).get("cpq")
    text = own if found is None or "cpq" in membership.me.facts.overrides else found[1]
    return loads(text, GatewayOptions)[0].cpq.interface
