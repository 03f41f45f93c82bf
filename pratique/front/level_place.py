"""The text of a group or of the cluster as something that people stage and commit: Place of front/configuration.py."""

import asyncio
from pathlib import Path

from pratique.config.history import History, Version
from pratique.config.level import Kind, Level
from pratique.config.levels import CLUSTER, Split, joined, split
from pratique.config.merging import difference
from pratique.config.reading import Problem, loads
from pratique.console.commands.staging import Change, Done, NotConfigured
from pratique.fleet.cluster import Cluster, ClusterRefused
from pratique.front.features import FEATURES
from pratique.front.interfaces import EVERYWHERE
from pratique.front.member import Seat, Texts, lacking
from pratique.front.options import GatewayOptions
from pratique.front.own_file import DIRECTORY, HISTORY, audited
from pratique.store.interface import Store
from pratique.store.moves import Record

OF_A_MACHINE = "is of one machine, never of a group or cluster"


class LevelPlace:
    """`level`: as people call it; `ident`: as registers do."""

    def __init__(self, directory: Path, seat: Seat, store: Store, level: Level, ident: str) -> None:
        self._directory = directory
        self._seat = seat
        self._store = store
        self._level = level
        self._ident = ident
        self._history = History(directory / DIRECTORY / f"{HISTORY}@{ident}")

    @property
    def _cluster(self) -> Cluster:
        membership = self._seat.membership
        if membership is None:
            raise NotConfigured("this machine is in no cluster any more")
        return membership.cluster

    def read(self) -> str:
        return joined(self._cluster.pieces(self._ident), FEATURES)

    def check(self, text: str) -> list[Problem]:
        """The text by itself, what the members have, and what this machine would make of it."""
        file = str(self._level)
        problems = loads(text, GatewayOptions, file=file)[1]
        if problems:
            return problems
        found = split(text, FEATURES)
        for line, name in found.strays:
            cure = f"take it out here; on each machine: `clustermode machine`, then set {name}"
            problems.append(Problem(file, line, name, OF_A_MACHINE, cure))
        for number, listener in enumerate(loads(text, GatewayOptions)[0].gateway.listeners):
            if listener.address not in EVERYWHERE:
                cure = "name an interface in its place; each machine has one of that name (`interfaceconfig`)"
                key = f"gateway.listeners.{number}.address"
                problems.append(Problem(file, 0, key, f"is {listener.address}, which is of one machine", cure))
        return problems or self._lacking(found) or self._here(found)

    def _changed(self, found: Split) -> dict[str, str | None]:
        """Features whose piece differs: the new one, None = none any more."""
        former = split(self.read(), FEATURES).pieces
        names = {**former, **found.pieces}
        return {name: found.pieces.get(name) for name in names if found.pieces.get(name) != former.get(name)}

    def _lacking(self, found: Split) -> list[Problem]:
        """Members that have not the interfaces which a changed feature names."""
        problems = []
        cluster = self._cluster
        for name, piece in self._changed(found).items():
            without: dict[str, list[str]] = {}
            for member in cluster.under(self._ident):
                if piece is None or cluster.inherited(member).get(name, (self._ident,))[0] not in (
                    self._ident,
                    CLUSTER,
                ):
                    continue  # its group sets it, so what the cluster sets does not come down
                for interface in lacking(member, {name: piece}):
                    without.setdefault(interface, []).append(member.name)
            for interface, names in without.items():
                why = f'names the interface "{interface}", which is missing on {", ".join(names)}'
                cure = "define it there (`clustermode machine`, `interfaceconfig`), or name one that all have"
                problems.append(Problem(str(self._level), 0, name, why, cure))
        return problems

    def _here(self, found: Split) -> list[Problem]:
        membership = self._seat.membership
        assert membership is not None
        if self._ident not in (CLUSTER, membership.me.group):
            return []
        cluster = membership.cluster
        for name, piece in self._changed(found).items():
            cluster = cluster.with_text(self._ident, name, piece, self._seat.author(""))
        wanted: Texts = {name: text for name, (_, text) in cluster.inherited(membership.me).items()}
        was = {name: text for name, (_, text) in membership.cluster.inherited(membership.me).items()}
        why = self._seat.problem_of(wanted)
        if not why or wanted == was:
            return []
        return [Problem(str(self._level), 0, "", "cannot be in force on this machine", why)]

    async def commit(self, former: str, text: str, change: Change) -> Done:
        """Durable here and in force here on return; the others hear of it as soon as they can be reached."""
        if self.read() != former:
            raise NotConfigured("the settings were changed this very moment; commit again", conflict=True)
        pieces = self._changed(split(text, FEATURES))

        def write(cluster: Cluster) -> Cluster:
            for name, piece in pieces.items():
                cluster = cluster.with_text(self._ident, name, piece, self._seat.author(change.by))
            return cluster

        try:
            await self._seat.change(write, change.by)
        except ClusterRefused as error:
            raise NotConfigured(str(error)) from error
        now = self._seat.author("").at_ms
        told = difference(former, text)
        await asyncio.to_thread(self._history.add, Version(0, now, change.by, change.comment, change.offered), text)
        about = Change(change.by, f"{self._level}: {change.comment}", "commit-cluster-settings")
        await self._store.submit(Record(audited(about, told)))
        return Done(now, told, ())

    def history(self) -> tuple[Version, ...]:
        return self._history.all()

    def version(self, number: int) -> str | None:
        return self._history.text(number)


def place_of(directory: Path, seat: Seat, store: Store, level: Level) -> LevelPlace | None:
    """None: there is no such level."""
    membership = seat.membership
    if membership is None:
        return None
    if level.kind is Kind.CLUSTER:
        return LevelPlace(directory, seat, store, level, CLUSTER)
    try:
        group = membership.cluster.group_named(level.name)
    except ClusterRefused:
        return None
    return LevelPlace(directory, seat, store, Level(Kind.GROUP, group.name), group.ident)
