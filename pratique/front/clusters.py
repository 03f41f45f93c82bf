"""The cluster of a running gateway: its seat, its link to the other members, and what commands ask of both."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pratique.config import loads as read_text
from pratique.config.level import Level
from pratique.config.levels import CLUSTER, Feature, split
from pratique.console.commands.staging import Change
from pratique.fleet.cluster import Author, Cluster, ClusterRefused, Contact, Member, contact_of, new_cluster
from pratique.fleet.cluster_file import Membership
from pratique.fleet.cluster_link import (
    GONE,
    JOIN,
    NO_MEMBER,
    REFUSED,
    Clocks,
    ClusterLink,
    Standing,
    answered,
    ssh_dial,
)
from pratique.fleet.identity import create_client_key, create_host_keys, public_ssh_key
from pratique.fleet.replica import dumps, loads
from pratique.front.appliance import Appliance
from pratique.front.features import BY_NAME, FEATURES, blank
from pratique.front.interfaces import EVERYWHERE
from pratique.front.level_place import LevelPlace, place_of
from pratique.front.member import Clock, Seat, lacking, port_interface
from pratique.front.options import GatewayOptions
from pratique.front.shared_users import SharedUsers
from pratique.runner.ready import Readiness
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

IDENT_BYTES = 12


class OwnMachine:
    """member.Machine over a running appliance."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    def text(self) -> str:
        return self._appliance.own_file.read()

    def reload(self) -> None:
        self._appliance.reload()

    async def commit(self, former: str, text: str, *, by: str, comment: str) -> None:
        await self._appliance.own_file.commit(former, text, Change(by, comment))

    def note(self, text: str) -> None:
        self._appliance.mail_log.emit(log.Note(message=text))

    def trouble(self, text: str, subject: str) -> None:
        self._appliance.mail_log.emit(log.Trouble(message=text, condition=Condition.CLUSTER, subject=subject))

    def over(self, text: str, subject: str) -> None:
        self._appliance.mail_log.emit(log.Over(message=text, condition=Condition.CLUSTER, subject=subject))


class RunningClusters:
    """console.commands.cluster.Clusters, and runner.ready.Level."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance
        clock, options = appliance.services.clock, appliance.options
        self._machine = OwnMachine(appliance)
        self.seat = Seat(appliance.directory, options.appliance.serial, self._machine, Clock(clock.now_ms))
        self.link = ClusterLink(
            self.seat,
            ssh_dial(appliance.keys.ssh_client_key),
            Clocks(clock.monotonic, clock.now_ms),
            spawn=appliance.services.tasks.spawn,
            told=self._told,
        )
        self.users = SharedUsers(appliance.store, self.seat, self._machine.trouble)
        self.seat.changed = self._changed

    def _changed(self) -> None:
        self.link.changed()
        self.users.look()

    async def run(self) -> None:
        await self.look()
        await self.link.run()

    async def look(self) -> None:
        """At a start, and when the configuration is in force anew."""
        text = self._machine.text()
        self.users.enabled = read_text(text, GatewayOptions)[0].appliance.cluster_users
        self.users.look()
        await self.seat.look()

    def _told(self, name: str, why: str) -> None:
        if why:  # no alert: a member that restarts is nobody's concern; `clustercheck` shows who stays away
            text = f"cluster: {why}; this machine works on alone, and tries again"
            self._appliance.mail_log.emit(log.Trouble(message=text))
        else:
            self._machine.note(f"cluster: {name} is reached again")

    # --- Clusters
    @property
    def membership(self) -> Membership | None:
        return self.seat.membership

    @property
    def features(self) -> tuple[Feature, ...]:
        return FEATURES

    @property
    def client_key(self) -> Path:
        return create_client_key(self._appliance.keys)

    def standing(self, ident: str) -> Standing:
        return self.link.standing(ident)

    def author(self, by: str) -> Author:
        return self.seat.author(by)

    def contact(self, address: str, port: int) -> Contact:
        appliance, keys = self._appliance.options.appliance, self._appliance.keys
        host_key = public_ssh_key(create_host_keys(keys)[0])
        own = public_ssh_key(create_client_key(keys))
        where = address or self.usual_address()
        return Contact(appliance.serial, appliance.name, where, port or self._appliance.options.ssh.port, host_key, own)

    def usual_address(self) -> str:
        options = self._appliance.options
        return options.ssh.address if options.ssh.address not in EVERYWHERE else options.appliance.name

    async def create(self, name: str, contact: Contact, by: str) -> None:
        """Its settings become those of the cluster; what they leave out has its default there. Listeners that name
        addresses stay its own."""
        author = self.author(by)
        made = new_cluster(self._appliance.services.clock.random(IDENT_BYTES).hex(), name, author)
        made = made.with_member(contact, made.groups()[0], author)
        text = self._machine.text()
        pieces = split(text, FEATURES).pieces
        options = read_text(text, GatewayOptions)[0]
        own = any(one.address not in EVERYWHERE for one in options.gateway.listeners)
        for feature in FEATURES:
            if feature.name != "listeners" or not own:
                piece = pieces.get(feature.name) or _blank(feature)
                made = made.with_text(CLUSTER, feature.name, piece, author) if piece else made
        await self.seat.enter(made.members()[0].ident, made, by)

    async def change(self, change: Callable[[Cluster], Cluster], by: str) -> Cluster:
        return await self.seat.change(change, by)

    async def enter(self, text: str, by: str) -> str:
        """What a member answered to our wish to join; its name for the cluster. Raises ClusterRefused."""
        try:
            told = json.loads(text)
            cluster = Cluster(await asyncio.to_thread(loads, told["state"]))
            ident = str(told["member"])
            if cluster.member(ident) is None:
                raise ValueError(ident)
        except (ValueError, KeyError, TypeError) as error:
            raise ClusterRefused("what answered is no member of a cluster of this version") from error
        await self.seat.enter(ident, cluster, by)
        return cluster.name

    async def admit(self, token: str, by: str, *, prepared: str = "") -> str:
        """Take a machine in; the answer for it. Raises ClusterRefused, OSError."""
        contact = contact_of(token)

        def take(cluster: Cluster) -> Cluster:
            made = cluster.with_member(contact, cluster.groups()[0], self.author(by))
            return made.without_prepared(prepared) if prepared else made

        after = await self.seat.change(take, by)
        return json.dumps({"member": after.member_named(contact.serial).ident, "state": dumps(after.state)})

    async def leave(self, by: str) -> None:
        """The others hear of it when they can be reached; whoever cannot be reached now hears it from them."""
        membership = self.membership
        peers = self.link.peers()
        if membership is not None:
            await self.seat.change(lambda cluster: cluster.without_member(membership.me), by)
            await asyncio.gather(*(self.link.exchange(peer) for peer in peers))
        if self.membership is not None:
            await self.seat.leave(by)

    async def set_apart(self, idents: frozenset[str]) -> None:
        await self.seat.set_apart(idents)

    def place(self, level: Level) -> LevelPlace | None:
        return place_of(self._appliance.directory, self.seat, self._appliance.store, level)

    def blank(self, feature: str) -> str:
        return blank(BY_NAME[feature])

    @property
    def takes_users(self) -> bool:
        return self.users.enabled

    def shares_user(self, name: str) -> bool:
        return self.users.shares(name)

    def users_refused(self) -> dict[str, str]:
        return dict(self.users.refused)

    async def sync_users(self) -> None:
        await self.users.sync()

    def lacking(self, member: Member) -> list[tuple[str, str]]:
        membership = self.membership
        if membership is None or not member.facts.version:  # it joined a moment ago and has not said yet
            return []
        inherited = membership.cluster.inherited(member)
        return [(name, one) for name in sorted(inherited) for one in lacking(member, {name: inherited[name][1]})]

    # --- what members ask, over SSH
    def knows(self, key: str) -> bool:
        """May whoever has this key sign in as a member, a former one, or one that may join?"""
        membership = self.membership
        if membership is None:
            return False
        cluster = membership.cluster
        return cluster.by_key(key) is not None or key in cluster.prepared().values()

    async def answer(self, key: str, command: str, sent: str) -> str:
        membership = self.membership
        if membership is None:
            return NO_MEMBER
        word, _, token = command.partition(" ")
        if word == JOIN:
            idents = [ident for ident, known in membership.cluster.prepared().items() if known == key]
            if not idents or contact_of(token).client_key != key:
                return f"{REFUSED}\nthis key may not join; `clusterconfig prepjoin` on a member lets it"
            return await self.admit(token, "cluster:prepjoin", prepared=idents[0])
        member = membership.cluster.by_key(key)
        return await answered(self.seat, self.link, member, command, sent) if member is not None else GONE

    # --- Level of runner.ready
    def _level(self) -> tuple[str, list[Member]]:
        """The level at which the quarantine port is set for this machine, and whom it comes down to."""
        membership = self.membership
        assert membership is not None
        found = membership.cluster.inherited(membership.me).get("cpq")
        own = "cpq" in membership.me.facts.overrides or found is None
        if own:
            return "machine", [membership.me]
        assert found is not None
        return found[0], membership.cluster.under(found[0])

    def members(self) -> Mapping[str, str]:
        if self.membership is None:
            return {}
        return dict(sorted((member.contact.serial, member.name) for member in self._level()[1]))

    def checks(self) -> tuple[Readiness, ...]:
        membership = self.membership
        if membership is None:
            return ()
        level, members = self._level()
        named = membership.cluster.level_name(level) if level != "machine" else "this machine"
        name = port_interface(membership, self._machine.text())
        without = [m.name for m in members if name and name not in m.facts.interfaces]
        below = (
            {m.name: sorted(set(m.facts.overrides) & QUARANTINE_FEATURES) for m in members}
            if level != "machine"
            else {}
        )
        over = [f"{machine} ({', '.join(names)})" for machine, names in below.items() if names]
        found = [Readiness("cluster-level", True, f"the quarantine port is set for {named}: {len(members)} machines")]
        cure = f"Define {name} there: `clustermode machine`, `interfaceconfig`"
        found.append(
            Readiness(
                "cluster-interface", not without, _told(name or "no interface is named", without), cure * bool(without)
            )
        )
        cure = "Take them away there: `clusterset delete FEATURE` in machine mode"
        found.append(
            Readiness("cluster-overrides", not over, _told("nothing is set below that level", over), cure * bool(over))
        )
        return tuple(found)


QUARANTINE_FEATURES = frozenset({"cpq", "policy", "quarantines"})


def _told(well: str, names: list[str]) -> str:
    return f"{well}: not so on {', '.join(names)}" if names else well


def _blank(feature: Feature) -> str:
    text = blank(feature)
    return text if text.strip() else ""
