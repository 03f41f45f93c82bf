"""userconfig share and unshare: who may, what is refused, what is shown."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest

from pratique.console.access.roles import Person
from pratique.console.commands import credentials
from pratique.console.commands.desk import Desk
from pratique.fleet.cluster import Author, Cluster, Contact, Member, new_cluster
from pratique.fleet.cluster_file import Membership
from pratique.fleet.cluster_link import Standing
from pratique.fleet.replica import merge
from pratique.fleet.shared_users import text_of, user_of
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import hear

ADMIN = Person("administrator", "administrator", "password")
GUEST = Person("guest", "guest", "password")
US, THEM = Author("S1", "administrator", 10), Author("S2", "bob", 20)


@dataclass
class Clusters:
    """console.commands.clusters.Clusters, as far as users go."""

    membership: Membership
    takes_users: bool = True
    refused: dict[str, str] = field(default_factory=dict)
    features: tuple[Any, ...] = ()

    async def change(self, change: Callable[[Cluster], Cluster], by: str) -> Cluster:
        after = change(self.membership.cluster)
        self.membership = replace(self.membership, state=after.state)
        return after

    def author(self, by: str) -> Author:
        return US

    def shares_user(self, name: str) -> bool:
        return self.takes_users and name in self.membership.cluster.users()

    def users_refused(self) -> dict[str, str]:
        return self.refused

    def lacking(self, member: Member) -> list[tuple[str, str]]:
        return []

    def standing(self, ident: str) -> Standing:
        return Standing(up=True)

    async def sync_users(self) -> None:
        return


@pytest.fixture
def desk(logged: Logged) -> Desk:
    cluster = new_cluster("ident", "site", US)
    for serial, name in (("S1", "gw1"), ("S2", "gw2")):
        cluster = cluster.with_member(Contact(serial, name, "a", 1, "h", name), cluster.groups()[0], US)
    clusters = Clusters(Membership(cluster.member_named("gw1").ident, cluster.state))
    desk = replace(logged.desk, role="gateway", clusters=clusters)  # type: ignore[arg-type]
    desk.mode.level = SimpleNamespace(kind="machine")  # type: ignore[assignment]
    return desk


async def said(desk: Desk, line: str, *, status: int = 0, person: Person = ADMIN) -> str:
    heard, ended = await hear(desk, person, line)
    assert ended == status, heard
    return "\n".join((*heard.said, *heard.complaints))


def clusters_of(desk: Desk) -> Any:
    return desk.clusters


async def test_a_user_is_shared_as_it_is_here_and_made_the_machines_own_again(desk: Desk, logged: Logged) -> None:
    assert "is shared by the cluster" in await said(desk, "userconfig share guest")
    user = logged.rest.store.view.user("guest")
    assert user is not None and clusters_of(desk).membership.cluster.users() == {"guest": text_of(user)}
    assert "shared by the cluster" in await said(desk, "userconfig list")
    rows = {row["name"]: row["shared"] for row in json.loads(await said(desk, "userconfig list --json"))}
    assert rows["guest"] is True and rows["administrator"] is False
    assert "already" in await said(desk, "userconfig share guest", status=1)
    assert "keeps it as its own" in await said(desk, "userconfig unshare guest")
    assert clusters_of(desk).membership.cluster.users() == {}
    assert "shares no user" in await said(desk, "userconfig unshare guest", status=1)


async def test_who_may_not_and_what_cannot_be_shared(desk: Desk) -> None:
    assert "may not" in await said(desk, "userconfig share guest", status=1, person=GUEST)
    assert "there is no user" in await said(desk, "userconfig share nobody", status=1)
    clusters_of(desk).takes_users = False
    assert "set appliance.cluster_users true" in await said(desk, "userconfig share guest", status=1)


async def test_a_second_factor_and_sharing_exclude_each_other(desk: Desk) -> None:
    made = await credentials.begin_code(desk, GUEST)
    await said(desk, "userconfig share guest")
    code = pyotp.TOTP(made.secret).at(desk.clock.now_ms() // 1_000)
    assert "userconfig unshare" in await said(desk, "userconfig twofactor on", status=1, person=GUEST)
    line = f"userconfig twofactor on {made.secret} {code}"
    assert "userconfig unshare" in await said(desk, line, status=1, person=GUEST), "not one begun before either"
    await said(desk, "userconfig unshare guest")
    await said(desk, line, person=GUEST)
    assert "second factor" in await said(desk, "userconfig share guest", status=1)


async def test_a_conflict_and_what_is_refused_are_named_without_a_hash(desk: Desk, logged: Logged) -> None:
    await said(desk, "userconfig share guest")
    known = clusters_of(desk).membership
    text = known.cluster.users()["guest"]
    user = user_of("guest", text)
    assert user is not None
    theirs = known.cluster.with_user("guest", text_of(replace(user, role="operator")), THEM)
    ours = known.cluster.with_user("guest", text_of(replace(user, disabled=True)), US)
    clusters_of(desk).membership = replace(known, state=merge(ours.state, theirs.state))
    clusters_of(desk).refused = {"boss": "no administrator would be left who may sign in here"}
    for line in ("clustercheck", "clustercheck --json"):
        shown = await said(desk, line, status=1)
        assert "role operator, may sign in" in shown and "role guest, disabled" in shown
        assert "argon2" not in shown and user.password not in shown
        assert "the shared user boss is not taken up on this machine" in shown
    await said(desk, "clustercheck choose cluster/user/guest 2")
    chosen = user_of("guest", clusters_of(desk).membership.cluster.users()["guest"])
    assert chosen == replace(user, disabled=True), "what was chosen is the whole version"
