"""The cluster of a gateway: who is in it, what is set at which level, and how a person changes both.

Everything is changed on the machine where it is asked for, durably, and travels from there; nothing waits for a member
that cannot be reached.
"""

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pratique.config.edits import Replace
from pratique.config.level import Kind, Level
from pratique.config.levels import CLUSTER, compose, present, without
from pratique.console.access.roles import Permission, Person
from pratique.console.commands import configuration
from pratique.console.commands.credentials import has_code
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.commands.staging import NotConfigured
from pratique.fleet.cluster import (
    MEMBERS_WARNED,
    Cluster,
    ClusterRefused,
    Conflict,
    Contact,
    Group,
    Member,
    host_key_fingerprint,
    token_of,
)
from pratique.fleet.cluster_file import STATE_BYTES_MAX, Membership
from pratique.fleet.cluster_link import ACCOUNT, JOIN, Standing
from pratique.fleet.shared_users import text_of
from pratique.fleet.ssh_faults import SshFault
from pratique.store.moves import Record

__all__ = [
    "ACCOUNT",
    "CLUSTER",
    "MEMBERS_WARNED",
    "STATE_BYTES_MAX",
    "ClusterRefused",
    "Conflict",
    "Finding",
    "Group",
    "Member",
    "host_key_fingerprint",
]

JOIN_SECONDS = 120.0  # somebody may have to fetch a telephone for the code
Change = Callable[[Cluster], Cluster]


@dataclass(frozen=True, slots=True)
class Finding:
    """What `clustercheck` has to say. `register`, `versions`: of a conflict."""

    what: str
    cure: str
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A host that was asked for its key."""

    address: str
    port: int
    host_key: str
    fingerprint: str


def inside(desk: Desk) -> Membership:
    membership = desk.clustered().membership
    if membership is None:
        text = "this machine is in no cluster; `clusterconfig create NAME` or `clusterconfig join ADDRESS`"
        raise CommandRefused(Why.CONFLICT, text)
    return membership


@command("cluster", Permission.STATUS)
async def membership(desk: Desk, person: Person) -> Membership | None:
    """What this machine knows of its cluster; None: it is in none."""
    return desk.clustered().membership


@command("cluster-members", Permission.STATUS)
async def standings(desk: Desk, person: Person) -> list[tuple[Member, Standing | None]]:
    """All members, and how it stands with each; None: this machine itself."""
    known, clusters = inside(desk), desk.clustered()
    members = known.cluster.members()
    return [(m, None if m.ident == known.ident else clusters.standing(m.ident)) for m in members]


@command("check-cluster", Permission.STATUS)
async def check(desk: Desk, person: Person) -> list[Finding]:
    """Everything that is not as it should be: conflicts, settings that a member could not use, members out of reach."""
    known, found = inside(desk), []
    cluster = known.cluster
    for conflict in cluster.conflicts():
        name = conflict.feature or conflict.register
        what = f"{name} of {conflict.level} was changed apart, {len(conflict.versions)} ways"
        cure = "compare the versions, then `clustercheck choose REGISTER NUMBER`; 1 is in force until then"
        found.append(Finding(what, cure, conflict))
    for member in cluster.members():
        refused = (
            [f"{name}: {why}" for name, why in known.refused.items()]
            if member.ident == known.ident
            else list(member.facts.refused)
        )
        for text in refused:
            cure = "cure it there, or change the settings; until then the machine uses what it had"
            found.append(Finding(f"{member.name} does not use the settings of {text}", cure))
        found += _lacking(desk, member, {text.partition(":")[0] for text in refused})
    for member, standing in await standings(desk, person):
        if standing is not None and standing.up is False:
            found.append(Finding(f"{member.name} is not reached: {standing.error}", "it works on alone meanwhile"))
    for name, why in desk.clustered().users_refused().items():
        cure = "change the user here or on another machine; until then this machine has the user that it had"
        found.append(Finding(f"the shared user {name} is not taken up on this machine: {why}", cure))
    names = [member.name.lower() for member in cluster.members()]
    serials = [member.contact.serial for member in cluster.members()]
    for what, values in (("name", names), ("serial number", serials)):
        doubles = sorted({v for v in values if values.count(v) > 1})
        cure = "remove one (`clusterconfig removemachine`)"
        found += [Finding(f"two machines have the {what} {double}", cure) for double in doubles]
    if len(names) > MEMBERS_WARNED:
        found.append(
            Finding(f"the cluster has {len(names)} machines", f"more than {MEMBERS_WARNED} may disturb each other")
        )
    return found


def _lacking(desk: Desk, member: Member, known: set[str]) -> list[Finding]:
    """Interfaces that went after the settings that name them had come. `known`: features that are told of already."""
    without: dict[str, list[str]] = {}
    for feature, interface in desk.clustered().lacking(member):
        if feature not in known:
            without.setdefault(interface, []).append(feature)
    cure = "define it there (`clustermode machine`, `interfaceconfig`), or name one that all have"
    return [
        Finding(f'{member.name} has no interface "{one}", which its settings of {", ".join(features)} name', cure)
        for one, features in without.items()
    ]


@command("share-user", Permission.ADMINISTER)
async def share_user(desk: Desk, person: Person, name: str) -> None:
    """Let every machine that takes shared users have this one, as it is here. Durable on return."""
    clusters, known = desk.clustered(), inside(desk)
    if not clusters.takes_users:
        cure = "`set appliance.cluster_users true`, then `commit`"
        raise CommandRefused(Why.CONFLICT, f"this machine takes no users of the cluster, and shares none; {cure}")
    user = desk.store.view.user(name)
    if user is None:
        raise CommandRefused(Why.NOT_FOUND, f"there is no user {name!a}")
    if has_code(desk, name):
        why = "others would let it in without the code"
        raise CommandRefused(Why.CONFLICT, f"{name} has a second factor, which is of this machine: {why}")
    if name in known.cluster.users():
        raise CommandRefused(Why.CONFLICT, f"the cluster shares {name} already")
    text = text_of(user)
    await change(desk, person, f"share user {name}", lambda c: c.with_user(name, text, clusters.author(person.name)))
    await clusters.sync_users()


@command("unshare-user", Permission.ADMINISTER)
async def unshare_user(desk: Desk, person: Person, name: str) -> None:
    """Each machine keeps the user as it is, as one of its own. Durable on return."""
    clusters, known = desk.clustered(), inside(desk)
    if name not in known.cluster.users():
        raise CommandRefused(Why.NOT_FOUND, f"the cluster shares no user {name!a}")
    await change(desk, person, f"unshare user {name}", lambda c: c.with_user(name, None, clusters.author(person.name)))
    await clusters.sync_users()


@command("change-cluster", Permission.ADMINISTER)
async def change(desk: Desk, person: Person, what: str, make: Change) -> Cluster:
    """Change members, groups, names. `what`: for the record. Durable and in force here on return."""
    inside(desk)
    with _refusing():
        after = await desk.clustered().change(make, person.name)
    await _record(desk, person, what)
    return after


@command("create-cluster", Permission.ADMINISTER)
async def create(desk: Desk, person: Person, name: str, *, address: str = "", port: int = 0) -> None:
    """A new cluster with this machine in it; its settings become those of the cluster."""
    clusters = desk.clustered()
    _outside(desk)
    with _refusing():
        await clusters.create(name, clusters.contact(address, port), person.name)
    await _record(desk, person, f"create {name}")


@command("contact-cluster", Permission.ADMINISTER)
async def contact(desk: Desk, person: Person, address: str, port: int) -> Shown:
    """The host key that a member shows, for a person to compare."""
    _outside(desk)
    ssh = await _ssh()
    try:
        key = await ssh.host_key_of(address, port)
    except SshFault as fault:
        raise CommandRefused(Why.UNAVAILABLE, f"{fault.why}. {fault.cure}") from fault
    return Shown(address, port, key, ssh.fingerprint_of(key))


@command("join-cluster", Permission.ADMINISTER)
async def join(
    desk: Desk,
    person: Person,
    shown: Shown,
    *,
    own: Contact,
    user: str = "",
    password: str = "",
    code: Callable[[], Awaitable[str]] | None = None,
) -> str:
    """Join the cluster of that machine: as an administrator there, whose pass phrase is used once and kept nowhere, or
    without a user by our key, which was let in before. The cluster's name."""
    _outside(desk)
    ssh, token = await _ssh(), token_of(own)
    proof = ssh.ByPassword(password, code or _no_code) if user else ssh.ByKey(desk.clustered().client_key)
    target = ssh.Target(shown.address, shown.port, user or ACCOUNT, shown.host_key)
    line = f"clusterconfig admit {token}" if user else f"{JOIN} {token}"
    try:
        said = await ssh.run(target, proof, line, seconds=JOIN_SECONDS, output_max=STATE_BYTES_MAX)
    except SshFault as fault:
        raise CommandRefused(Why.UNAVAILABLE, f"{fault.why}. {fault.cure}") from fault
    if said.status or not said.out.startswith("{"):
        told = " ".join((said.err or said.out).split())[:300]
        raise CommandRefused(Why.CONFLICT, f"{shown.address} did not take this machine in: {told!a}")
    with _refusing():
        name = await desk.clustered().enter(said.out, person.name)
    await _record(desk, person, f"join {name}")
    return name


@command("admit-to-cluster", Permission.ADMINISTER)
async def admit(desk: Desk, person: Person, token: str) -> str:
    """Take the machine of this word in; what it must know."""
    inside(desk)
    with _refusing():
        answer = await desk.clustered().admit(token, person.name)
    await _record(desk, person, "admit a machine")
    return answer


@command("leave-cluster", Permission.ADMINISTER)
async def leave(desk: Desk, person: Person) -> None:
    """This machine is in no cluster any more, with the settings that it has now."""
    inside(desk)
    with _refusing():
        await desk.clustered().leave(person.name)
    await _record(desk, person, "leave")


@command("disconnect-member", Permission.ADMINISTER)
async def set_apart(desk: Desk, person: Person, name: str, *, apart: bool) -> Member:
    """Exchange nothing with this member, or exchange again. This machine's own name: with nobody."""
    known = inside(desk)
    with _refusing():
        member = known.cluster.member_named(name)
        idents = known.apart | {member.ident} if apart else known.apart - {member.ident}
        await desk.clustered().set_apart(idents)
    await _record(desk, person, f"{'disconnect' if apart else 'reconnect'} {member.name}")
    return member


@command("feature-levels", Permission.SETTINGS)
async def feature_levels(desk: Desk, person: Person) -> list[tuple[str, str, str, str]]:
    """Of each feature: name, meaning, the level that this machine has it from, and all levels that set it."""
    known, clusters = inside(desk), desk.clustered()
    cluster, own = known.cluster, present(desk.configured().committed(Level()), clusters.features)
    inherited = cluster.inherited(known.me)
    rows = []
    for feature in clusters.features:
        levels = ["machine"] * (feature.name in own)
        levels += [f"group {g.name}" for g in cluster.groups() if feature.name in cluster.pieces(g.ident)]
        levels += [CLUSTER] * (feature.name in cluster.pieces(CLUSTER))
        above = cluster.level_name(inherited[feature.name][0]) if feature.name in inherited else "nowhere"
        rows.append((feature.name, feature.doc, "machine" if feature.name in own else above, ", ".join(levels)))
    return rows


@command("switch-mode", Permission.OWN)
async def switch(desk: Desk, person: Person, level: Level) -> Level:
    """What this session configures from now on."""
    known = inside(desk)
    if level.kind is Kind.GROUP:
        with _refusing():
            level = replace(level, name=known.cluster.group_named(level.name).name)
    desk.mode.level = level
    return level


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (ClusterRefused, NotConfigured) as error:
        told = "\n".join((str(error), *map(str, getattr(error, "problems", ()))))
        raise CommandRefused(Why.CONFLICT, told) from error
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the disk refused: {error.strerror}") from error


def _outside(desk: Desk) -> None:
    membership = desk.clustered().membership
    if membership is not None:
        text = f"this machine is in the cluster {membership.cluster.name}; `clusterconfig removemachine` takes it out"
        raise CommandRefused(Why.CONFLICT, text)


async def _record(desk: Desk, person: Person, what: str) -> None:
    await desk.store.submit(Record((audit(person, "cluster", detail=json.dumps({"change": what})),)))


async def _no_code() -> str:
    return ""


async def _ssh() -> Any:
    return await asyncio.to_thread(importlib.import_module, "pratique.fleet.ssh_client")  # half a second, once


@command("set-feature", Permission.CONFIGURE)
async def set_feature(desk: Desk, person: Person, feature: str, piece: str | None) -> None:
    """Stage a feature at the level of this session as this text; None: it is set there no more."""
    inside(desk)
    features = desk.clustered().features
    text = (await configuration.working(desk, person)).text
    own = {feature: piece} if piece is not None else {}
    after = compose(without(text, [feature], features), own, features).text
    await configuration.edit(desk, person, (Replace(after),))
