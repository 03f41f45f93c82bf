"""The users of a machine and those of its cluster, in step over a store."""

from dataclasses import replace

import pytest

from pratique.fleet.shared_users import text_of
from pratique.front.shared_users import SETTING, SharedUsers
from pratique.store.memory.store import MemoryStore
from pratique.store.moves import PutSetting, PutUser
from pratique.store.records import User
from tests.front.test_member import OTHER, Here, here, open_memory

__all__ = ["here"]
HASH = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHQ$aGFzaA"
ADMIN = User("admin", "administrator", HASH + "a", (), 1)
ANNA = User("anna", "operator", HASH, (), 7)


class World:
    def __init__(self, here: Here) -> None:
        self.here = here
        self.store: MemoryStore = open_memory()
        self.told: list[str] = []
        self.users = SharedUsers(self.store, here.seat, lambda text, subject: self.told.append(text))
        self.users.enabled = True

    async def has(self, user: User) -> None:
        await self.store.submit(PutUser(user, ()))

    async def heard(self, user: User | None, name: str = "anna") -> None:
        text = text_of(user) if user is not None else None
        await self.here.seat.change(lambda cluster: cluster.with_user(name, text, OTHER), "bob")
        await self.users.sync()

    def here_is(self, name: str = "anna") -> User | None:
        return self.store.view.user(name)

    def shared(self, name: str = "anna") -> str:
        return self.here.cluster.users().get(name, "")

    def audit(self) -> list[tuple[str, str]]:
        return [(row.actor, row.action) for row in self.store.view.audit(0, 1_000)]


@pytest.fixture
async def world(here: Here) -> World:
    await here.enter()
    made = World(here)
    await made.has(ADMIN)
    return made


async def test_a_shared_user_comes_changes_and_stays_when_it_is_shared_no_more(world: World) -> None:
    await world.heard(ANNA)
    assert world.here_is() == ANNA and world.users.shares("anna")
    await world.heard(replace(ANNA, disabled=True))
    assert world.here_is() == replace(ANNA, disabled=True)
    assert world.audit() == [("cluster", "add-shared-user"), ("cluster", "take-shared-user")]
    assert all(HASH not in row.detail for row in world.store.view.audit(0, 1_000))
    await world.heard(None)
    assert world.here_is() == replace(ANNA, disabled=True) and not world.users.shares("anna")
    await world.has(ANNA)
    await world.users.sync()
    assert world.shared() == "", "it is of this machine alone"


async def test_a_change_made_here_is_told_also_one_of_a_time_when_the_machine_stood(world: World) -> None:
    await world.heard(ANNA)
    changed = replace(ANNA, password=HASH + "n")
    await world.has(changed)
    again = SharedUsers(world.store, world.here.seat, lambda text, subject: None)
    again.enabled = True
    await again.sync()
    assert world.shared() == text_of(changed) and world.here_is() == changed
    before = world.here.seat.membership
    await again.sync()
    assert world.here.seat.membership is before


@pytest.mark.parametrize("behind", ["row", "register"])
async def test_a_crash_between_the_steps_is_made_good(world: World, behind: str) -> None:
    await world.heard(ANNA)
    changed = replace(ANNA, role="guest")
    if behind == "row":  # heard, and written into the store only
        text = text_of(changed)
        await world.here.seat.change(lambda cluster: cluster.with_user("anna", text, OTHER), "bob")
        await world.has(changed)
    else:  # changed here, and told to the others only
        await world.has(changed)
        text = text_of(changed)
        await world.here.seat.change(lambda cluster: cluster.with_user("anna", text, OTHER), "bob")
    await world.users.sync()
    assert world.here_is() == changed and world.shared() == text_of(changed)
    assert text_of(changed).replace('"', '\\"') in world.store.view.setting(SETTING)


async def test_the_last_administrator_stays_and_that_is_said_once(world: World) -> None:
    await world.heard(ADMIN, "admin")
    await world.heard(replace(ADMIN, disabled=True), "admin")
    await world.users.sync()
    assert world.here_is("admin") == ADMIN
    (told,) = world.told
    assert "'admin' is not taken up on this machine: no administrator would be left" in told
    await world.has(replace(ANNA, role="administrator"))
    await world.users.sync()
    assert world.here_is("admin") == replace(ADMIN, disabled=True) and world.users.refused == {}


async def test_without_the_option_or_the_cluster_nothing_is_taken_and_nothing_told(world: World) -> None:
    world.users.enabled = False
    await world.heard(ANNA)
    assert world.here_is() is None and not world.users.shares("anna")
    world.users.enabled = True
    await world.users.sync()
    assert world.here_is() == ANNA
    await world.here.seat.leave("admin")
    await world.users.sync()
    assert world.here_is() == ANNA and world.store.view.setting(SETTING) == "{}"


@pytest.mark.parametrize(
    ("name", "changes"), [("peer:x", {}), ("local", {}), ("a b", {}), ("anna", {"role": "appliance"}), ("x" * 65, {})]
)
async def test_nobody_becomes_a_user_by_a_name_or_role_that_no_user_has(
    world: World, name: str, changes: dict[str, str]
) -> None:
    await world.heard(replace(ANNA, **changes), name)  # type: ignore[arg-type]
    assert world.here_is(name) is None and name in world.users.refused


async def test_a_setting_that_is_none_of_ours_does_not_bring_a_former_state_back(world: World) -> None:
    await world.heard(ANNA)
    await world.store.submit(PutSetting(SETTING, '{"anna": "nonsense"}'))
    await world.heard(replace(ANNA, disabled=True))
    assert world.here_is() == replace(ANNA, disabled=True)
