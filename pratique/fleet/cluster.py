"""A cluster of gateways as its members see it: who is in it, in which group, and what is set for all and for a group.

A view over a Replica (fleet/replica.py), which says how changes of several members come together. Members and groups
are known by idents that are never used twice, so a rename meets no change of another, and what was removed stays so.

Registers: `cluster/name`, `cluster/text/FEATURE`, `cluster/user/NAME`; of a group GID/name, GID/text/FEATURE; of a
member ID/contact, ID/group, ID/facts; of a machine that may join without a pass phrase, PID/key.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any, TypeVar

from pratique.config.levels import CLUSTER
from pratique.fleet.replica import Replica, Version, winner
from pratique.fleet.shared_users import in_force, without_secret

FIRST_GROUP = "Main_Group"
MEMBERS_WARNED = 20  # with more, everybody's exchange with everybody costs more than it gives
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TEXT = "text"
USERS = f"{CLUSTER}/user/"
T = TypeVar("T")


class ClusterRefused(Exception):
    """Nothing was changed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Where and as whom the others reach a member. Keys: "ssh-ed25519 AAAA…"."""

    serial: str
    name: str
    address: str
    port: int
    host_key: str
    client_key: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a member says of itself, for the checks of the others."""

    interfaces: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()  # features that it sets for itself
    refused: tuple[str, ...] = ()  # "FEATURE: why": what it was given and could not use
    version: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    ident: str
    contact: Contact
    group: str  # ident; "" when there is no group any more
    facts: Facts

    @property
    def name(self) -> str:
        return self.contact.name


@dataclass(frozen=True, slots=True)
class Group:
    ident: str
    name: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A text that was changed apart. `versions`: the one in force first."""

    register: str
    level: str  # as people call it
    feature: str  # "" when it is no text of a level
    versions: tuple[Version, ...]

    def shown(self, version: Version) -> str:
        """The value of a version for people: never the hash of a pass phrase."""
        if version.value is not None and self.register.startswith(USERS):
            return without_secret(version.value)
        return version.value if version.value is not None else "(taken away)"


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, where and when: `member` is the serial of the machine."""

    member: str
    by: str
    at_ms: int


class Cluster:
    """Changes give a new one; nothing is changed in place."""

    def __init__(self, state: Replica) -> None:
        self.state = state

    # --- what it is
    @property
    def name(self) -> str:
        return self.state.get("cluster/name") or self.state.ident

    def members(self) -> list[Member]:
        """By name."""
        found = [self._member(name.partition("/")[0]) for name in self.state.names("m") if name.endswith("/contact")]
        return sorted((m for m in found if m is not None and m.ident not in self.state.gone), key=lambda m: m.name)

    def member(self, ident: str) -> Member | None:
        """A member, also a removed one."""
        return self._member(ident)

    def by_key(self, client_key: str) -> Member | None:
        """Whose key this is. One that was removed is found when no present member has it."""
        every = [name.partition("/")[0] for name in self.state.names("m") if name.endswith("/contact")]
        idents = sorted(every, key=lambda ident: ident in self.state.gone)
        found = (self._member(ident) for ident in idents)
        return next((m for m in found if m is not None and m.contact.client_key == client_key), None)

    def groups(self) -> list[Group]:
        """By name, and of two that were made apart with one name the older ident first."""
        names = [name for name in self.state.names("g") if name.endswith("/name")]
        found = [Group(name.partition("/")[0], self.state.get(name) or "") for name in names]
        return sorted(found, key=lambda group: (group.name, group.ident))

    def group_named(self, name: str) -> Group:
        """Raises ClusterRefused."""
        known = self.groups()
        for group in known:
            if group.name.lower() == name.lower() or group.ident == name:
                return group
        raise ClusterRefused(f"there is no group {name!a}; there are: {', '.join(g.name for g in known)}")

    def member_named(self, name: str) -> Member:
        """By name, serial or ident. Raises ClusterRefused."""
        known = self.members()
        for member in known:
            if name.lower() in (member.name.lower(), member.contact.serial.lower(), member.ident.lower()):
                return member
        raise ClusterRefused(f"there is no machine {name!a}; there are: {', '.join(m.name for m in known)}")

    def is_gone(self, member: Member) -> bool:
        return member.ident in self.state.gone

    # --- what is set
    def pieces(self, level: str) -> dict[str, str]:
        """Feature -> text of a level: CLUSTER or a group's ident."""
        prefix = f"{level}/{TEXT}/"
        return {name.removeprefix(prefix): self.state.get(name) or "" for name in self.state.names(prefix)}

    def inherited(self, member: Member) -> dict[str, tuple[str, str]]:
        """Feature -> (level, text) of what this member would get: group over cluster."""
        found = {feature: (CLUSTER, text) for feature, text in self.pieces(CLUSTER).items()}
        if member.group:
            found |= {feature: (member.group, text) for feature, text in self.pieces(member.group).items()}
        return found

    def users(self) -> dict[str, str]:
        """Users that are shared: name -> text, as fleet/shared_users.py has it."""
        found = {}
        for register, versions in self.state.registers.items():
            if register.startswith(USERS) and (text := in_force(versions)) is not None:
                found[register.removeprefix(USERS)] = text
        return found

    def level_name(self, level: str) -> str:
        """As people call it."""
        named = {group.ident: group.name for group in self.groups()}
        return CLUSTER if level == CLUSTER else f"group {named.get(level, level)}"

    def under(self, level: str) -> list[Member]:
        """The members to whom a level's text comes down."""
        return [m for m in self.members() if level in (CLUSTER, m.group)]

    def conflicts(self) -> list[Conflict]:
        """By register."""
        found = []
        for register in self.state.conflicts():
            owner, _, what = register.partition("/")
            kind, _, feature = what.partition("/")
            if kind == "facts":
                continue  # only the member itself writes them: two versions are one machine that was set back
            versions = self.state.registers[register]
            first = winner(versions)
            rest = sorted(versions - {first}, key=lambda v: (v.at_ms, v.vector))
            level = self._owner_name(owner)
            found.append(Conflict(register, level, feature if kind == TEXT else "", (first, *rest)))
        return found

    # --- changes
    def with_text(self, level: str, feature: str, text: str | None, author: Author) -> "Cluster":
        """Set a feature at a level, or take it away there."""
        return self._put(f"{level}/{TEXT}/{feature}", text, author)

    def with_user(self, name: str, text: str | None, author: Author) -> "Cluster":
        """Share a user, or let every machine have its own again."""
        return self._put(f"{USERS}{name}", text, author)

    def with_name(self, name: str, author: Author) -> "Cluster":
        return self._put("cluster/name", _good(name), author)

    def with_group(self, name: str, author: Author) -> "Cluster":
        if any(group.name.lower() == name.lower() for group in self.groups()):
            raise ClusterRefused(f"there is a group {name} already")
        return self._put(f"{self._new('g', author)}/name", _good(name), author)

    def with_group_renamed(self, group: Group, name: str, author: Author) -> "Cluster":
        if any(other.name.lower() == name.lower() and other.ident != group.ident for other in self.groups()):
            raise ClusterRefused(f"there is a group {name} already")
        return self._put(f"{group.ident}/name", _good(name), author)

    def without_group(self, group: Group) -> "Cluster":
        inside = [member.name for member in self.members() if member.group == group.ident]
        if inside:
            raise ClusterRefused(f"the group {group.name} has members: {', '.join(inside)}; move them first (setgroup)")
        if len(self.groups()) == 1:
            raise ClusterRefused("a cluster has one group at least")
        return Cluster(self.state.remove(group.ident))

    def with_member(self, contact: Contact, group: Group, author: Author) -> "Cluster":
        """A machine joins, or joins again."""
        if any(member.contact.serial == contact.serial for member in self.members()):
            raise ClusterRefused(f"the machine with the serial number {contact.serial} is a member already")
        if any(member.name.lower() == contact.name.lower() for member in self.members()):
            raise ClusterRefused(f"there is a machine called {contact.name} already")
        ident = self._new(f"m-{contact.serial}", author)
        made = self._put(f"{ident}/contact", json.dumps(asdict(contact), sort_keys=True), author)
        return made._put(f"{ident}/group", group.ident, author)

    def with_contact(self, member: Member, contact: Contact, author: Author) -> "Cluster":
        return self._put(f"{member.ident}/contact", json.dumps(asdict(contact), sort_keys=True), author)

    def with_member_in(self, member: Member, group: Group, author: Author) -> "Cluster":
        return self._put(f"{member.ident}/group", group.ident, author)

    def with_facts(self, member: Member, facts: Facts, author: Author) -> "Cluster":
        if facts == member.facts:
            return self
        return self._put(f"{member.ident}/facts", json.dumps(asdict(facts), sort_keys=True), author)

    def without_member(self, member: Member) -> "Cluster":
        return Cluster(self.state.remove(member.ident))

    def chosen(self, register: str, version: Version, author: Author) -> "Cluster":
        """A person ends a conflict."""
        return self._put(register, version.value, author)

    # --- machines that may join without a pass phrase
    def prepared(self) -> dict[str, str]:
        """Ident -> client key."""
        names = [name for name in self.state.names("p") if name.endswith("/key")]
        return {name.partition("/")[0]: self.state.get(name) or "" for name in names}

    def with_prepared(self, client_key: str, author: Author) -> "Cluster":
        if client_key in self.prepared().values():
            raise ClusterRefused("this key may join already")
        return self._put(f"{self._new('p', author)}/key", client_key, author)

    def without_prepared(self, ident: str) -> "Cluster":
        return Cluster(self.state.remove(ident))

    # --- inside
    def _put(self, register: str, value: str | None, author: Author) -> "Cluster":
        return Cluster(self.state.put(register, value, member=author.member, by=author.by, at_ms=author.at_ms))

    def _new(self, prefix: str, author: Author) -> str:
        """An ident that no other change anywhere uses: time and member, and never one that is known."""
        known = {name.partition("/")[0] for name in self.state.registers} | self.state.gone
        number = author.at_ms
        while f"{prefix}-{number}-{author.member}" in known:
            number += 1
        return f"{prefix}-{number}-{author.member}"

    def _member(self, ident: str) -> Member | None:
        contact = _read(Contact, self.state.get(f"{ident}/contact"))
        if contact is None:
            return None
        group = self.state.get(f"{ident}/group") or ""
        known = [g.ident for g in self.groups()]
        home = group if group in known else min(known, default="")
        return Member(ident, contact, home, _read(Facts, self.state.get(f"{ident}/facts")) or Facts())

    def _owner_name(self, owner: str) -> str:
        member = self._member(owner)
        return f"machine {member.name}" if member is not None else self.level_name(owner)


def host_key_fingerprint(contact: Contact) -> str:
    """SHA256:…, as SSH clients show it; "" when the key is none."""
    try:
        octets = base64.b64decode(contact.host_key.split()[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(sha256(octets).digest()).decode().rstrip("=")


def token_of(contact: Contact) -> str:
    """One word, with which a machine asks to be taken in."""
    return base64.urlsafe_b64encode(json.dumps(asdict(contact)).encode()).decode()


def contact_of(token: str) -> Contact:
    """Raises ClusterRefused."""
    try:
        contact = _read(Contact, base64.urlsafe_b64decode(token.encode()).decode())
    except ValueError:
        contact = None
    if contact is None or not NAME.fullmatch(contact.name) or not 0 < contact.port < 65_536:
        raise ClusterRefused("this is no word of a machine that wants to join")
    return contact


def new_cluster(ident: str, name: str, author: Author) -> Cluster:
    """With one group and nobody in it."""
    empty = Cluster(Replica(ident))
    return empty.with_name(name, author).with_group(FIRST_GROUP, author)


def _good(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ClusterRefused(f"{name!a} is no name: letters, digits, points, underscores and hyphens, 64 at most")
    if name.lower() == CLUSTER:
        raise ClusterRefused("a group or cluster cannot be called cluster")
    return name


def _read(cls: type[T], text: str | None) -> T | None:
    """A record of a register; None when there is none, or none that this version can read."""
    try:
        found: Any = json.loads(text or "null")
        wanted = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        values = {name: _plain(value) for name, value in found.items() if name in wanted}
        return cls(**values) if _typed(cls, values) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    return tuple(map(str, value)) if isinstance(value, list) else value


def _typed(cls: type, values: dict[str, Any]) -> bool:
    kinds: dict[Any, type] = {str: str, int: int, tuple[str, ...]: tuple}
    hints: Iterable[tuple[str, Any]] = ((f.name, f.type) for f in fields(cls))
    return all(isinstance(values[name], kinds[hint]) for name, hint in hints if name in values)
