"""The users of this gateway and those that its cluster shares, kept in step: fleet/shared_users.py over the store.

Opt-in of each machine (`appliance.cluster_users`). What it took up last is a setting of the store, written behind the
rows and the registers: a crash between finds both sides equal, and takes that up.
"""

import asyncio
import json
from collections.abc import Callable

from pratique.console.access.roles import ROLES
from pratique.console.commands.users import NAME, RESERVED, USERS_MAX
from pratique.fleet.cluster import Cluster
from pratique.fleet.shared_users import settle
from pratique.front.member import Seat
from pratique.store.interface import Store
from pratique.store.moves import PutSetting, PutUser
from pratique.store.records import AuditEntry, User

SETTING = "cluster_users"  # user -> text that was taken up last
ACTOR = "cluster"
LOOK_SECONDS = 2.0  # how soon a change that was made here goes to the others


class SharedUsers:
    """`trouble(text, subject)`: for the log and the alerts. `changing`: held while users are changed."""

    def __init__(self, store: Store, seat: Seat, trouble: Callable[[str, str], None]) -> None:
        self._store = store
        self._seat = seat
        self._trouble = trouble
        self._wake = asyncio.Event()
        self.changing = asyncio.Lock()
        self.enabled = False
        self.refused: dict[str, str] = {}

    def look(self) -> None:
        """The cluster's state may have changed, or the option."""
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._wake.clear()
            await self.sync()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def shares(self, name: str) -> bool:
        """Whether the user is one that the cluster shares and this machine takes."""
        membership = self._seat.membership
        return self.enabled and membership is not None and name in membership.cluster.users()

    async def sync(self) -> None:
        """Both sides have what follows from both. Durable on return. Raises OSError, StoreFailed, ClusterRefused."""
        async with self.changing:
            taken = json.loads(self._store.view.setting(SETTING, "{}"))
            membership = self._seat.membership
            if not self.enabled or membership is None:
                self.refused = {}
                await self._take(taken, {})
                return
            shared = membership.cluster.users()
            if not shared and not taken:
                return
            local = {user.name: user for user in self._store.view.users()}
            found = settle(local, shared, taken, lambda user: _problem(user, local))
            for user in found.put:
                await self._store.submit(PutUser(user, (_entry(user, user.name in local),)))
            if found.told:
                await self._seat.change(lambda cluster: self._told(cluster, found.told), "users of this machine")
            await self._take(taken, found.taken)
            self._name_refused(found.refused)

    def _told(self, cluster: Cluster, texts: dict[str, str]) -> Cluster:
        for name, text in texts.items():
            cluster = cluster.with_user(name, text, self._seat.author("users of this machine"))
        return cluster

    async def _take(self, before: dict[str, str], after: dict[str, str]) -> None:
        if before != after:
            await self._store.submit(PutSetting(SETTING, json.dumps(after, sort_keys=True)))

    def _name_refused(self, refused: dict[str, str]) -> None:
        for name, why in refused.items():
            if self.refused.get(name) != why:
                self._trouble(
                    f"cluster: the shared user {name!a} is not taken up on this machine: {why}", f"user {name}"
                )
        self.refused = refused


def _problem(user: User, local: dict[str, User]) -> str:
    if NAME.fullmatch(user.name) is None or user.name in RESERVED:
        return "its name is none of a user"
    if user.role not in ROLES:
        return f"there is no role {user.role!a} here"
    if user.name not in local and len(local) >= USERS_MAX:
        return f"there are {USERS_MAX} users already"
    return ""


def _entry(user: User, known: bool) -> AuditEntry:
    detail = json.dumps({"user": user.name, "role": user.role, "disabled": user.disabled})
    return AuditEntry(ACTOR, "take-shared-user" if known else "add-shared-user", detail=detail)
