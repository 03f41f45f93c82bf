"""A gateway as a member: what comes into force, what does not, and what is left when it leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pratique.config.level import Kind, Level
from pratique.config.levels import CLUSTER, present
from pratique.console.commands.staging import Change, NotConfigured
from pratique.fleet.cluster import Author, Cluster, ClusterRefused, Contact, Facts, new_cluster
from pratique.fleet.replica import dumps
from pratique.front.features import FEATURES
from pratique.front.files import BadConfiguration, read_options
from pratique.front.init import initialise
from pratique.front.level_place import place_of
from pratique.front.member import Clock, Seat, port_interface
from pratique.front.options import FILE, GatewayOptions
from pratique.store.memory.store import MemoryStore
from tests.conformance.samples import GATEWAY, SampleClock

OTHER = Author("SERIAL2", "bob", 5_000)
ROUTES = "[delivery]\nsmtproutes = ['ALL next.example:25']\n"
LISTENERS = "[[gateway.listeners]]\nname = 'In'\ninterface = 'Data'\n"


def open_memory() -> MemoryStore:
    return MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock())


class Machine:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reloads = 0
        self.told: list[str] = []
        self.ended: list[tuple[str, str]] = []

    def text(self) -> str:
        return (self.directory / FILE).read_text()

    def reload(self) -> None:
        self.reloads += 1

    async def commit(self, former: str, text: str, *, by: str, comment: str) -> None:
        assert former == self.text()
        (self.directory / FILE).write_text(text)

    def note(self, text: str) -> None:
        return

    def trouble(self, text: str, subject: str) -> None:
        self.told.append(text)

    def over(self, text: str, subject: str) -> None:
        self.ended.append((subject, text))


class Here:
    """One member of two, with the interface Data; the other exists on paper."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.machine = Machine(directory)
        self.serial = read_options(directory).appliance.serial
        self.seat = Seat(directory, self.serial, self.machine, Clock(lambda: 1_000))

    async def enter(self, change: Callable[[Cluster], Cluster] = lambda cluster: cluster) -> None:
        cluster = new_cluster("ident", "site", OTHER)
        for serial, name in ((self.serial, "gw1"), ("SERIAL2", "gw2")):
            cluster = cluster.with_member(Contact(serial, name, "a", 1, "h", name), cluster.groups()[0], OTHER)
        await self.seat.enter(cluster.member_named("gw1").ident, change(cluster), "admin")

    @property
    def cluster(self) -> Cluster:
        assert self.seat.membership is not None
        return self.seat.membership.cluster

    @property
    def options(self) -> GatewayOptions:
        options = read_options(self.directory)
        assert isinstance(options, GatewayOptions)
        return options


@pytest.fixture
async def here(tmp_path: Path) -> Here:
    overrides = {"interfaces.0.name": "Data", "interfaces.0.address": "127.0.0.1", "ssh.enabled": "false"}
    await initialise("gateway", tmp_path / "gw", name="gw1.test", overrides=overrides, password="correct horse battery")
    return Here(tmp_path / "gw")


async def test_what_the_cluster_sets_takes_the_place_of_own_settings_and_the_rest_stays(here: Here) -> None:
    await here.enter(
        lambda c: c.with_text(CLUSTER, "smtproutes", ROUTES, OTHER).with_text(CLUSTER, "listeners", LISTENERS, OTHER)
    )
    assert "listeners" not in present(here.machine.text(), FEATURES)
    assert here.options.delivery.smtproutes == ("ALL next.example:25",)
    assert [(one.name, one.address) for one in here.options.gateway.listeners] == [("In", "127.0.0.1")]
    assert here.cluster.member_named("gw1").facts.interfaces == ("Data",)
    assert Seat(here.directory, here.serial, here.machine, Clock(lambda: 1)).membership == here.seat.membership


async def test_a_change_that_the_machine_cannot_use_is_named_and_leaves_what_it_had(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "listeners", LISTENERS, OTHER))
    heard = here.cluster.with_text(CLUSTER, "listeners", LISTENERS.replace("Data", "Lacking"), OTHER)
    heard = heard.with_text(CLUSTER, "smtproutes", ROUTES, OTHER)
    await here.seat.hear(dumps(heard.state), "gw2")
    assert [one.interface for one in here.options.gateway.listeners] == ["Data"]
    assert here.options.delivery.smtproutes == ("ALL next.example:25",), "the rest is in force"
    (told,) = here.machine.told
    assert "the settings of listeners are not in force" in told and "Lacking" in told
    (refused,) = here.cluster.member_named("gw1").facts.refused
    assert refused.startswith("listeners: ") and "Lacking" in refused
    assert "Lacking" in here.cluster.pieces(CLUSTER)["listeners"], "the others may be able to use it"


async def test_when_the_machine_can_use_it_again_its_trouble_is_over(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "listeners", LISTENERS, OTHER))
    for name in ("Lacking", "Missing"):
        heard = here.cluster.with_text(CLUSTER, "listeners", LISTENERS.replace("Data", name), OTHER)
        await here.seat.hear(dumps(heard.state), "gw2")
    assert len(here.machine.told) == 2 and here.machine.ended == [], "another reason is the same trouble"
    await here.seat.hear(dumps(here.cluster.with_text(CLUSTER, "listeners", LISTENERS, OTHER).state), "gw2")
    assert here.machine.ended == [("listeners", "cluster: the settings of listeners are in force on this machine")]


async def test_the_interface_of_the_quarantine_port_is_the_one_that_its_level_names_though_it_is_missing(
    here: Here,
) -> None:
    named = "[cpq]\ninterface = 'Lacking'\n"
    await here.enter(lambda c: c.with_text(CLUSTER, "cpq", named, OTHER))
    assert here.seat.membership is not None and "cpq" in here.seat.membership.refused
    assert port_interface(here.seat.membership, here.machine.text()) == "Lacking"


async def test_who_joins_keeps_what_it_cannot_have_from_the_cluster(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "listeners", LISTENERS.replace("Data", "Lacking"), OTHER))
    assert "listeners" in present(here.machine.text(), FEATURES)
    assert [one.name for one in here.options.gateway.listeners] == ["InboundMail"]


async def test_a_state_that_brings_nothing_new_changes_nothing(here: Here) -> None:
    await here.enter()
    before = here.seat.membership
    reloads = here.machine.reloads
    await here.seat.hear(dumps(here.cluster.state), "gw2")
    await here.seat.look()
    assert here.seat.membership is before and here.machine.reloads == reloads


async def test_a_change_made_apart_is_told_by_name(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "smtproutes", ROUTES, OTHER))
    theirs = here.cluster.with_text(CLUSTER, "smtproutes", ROUTES.replace("next", "theirs"), OTHER)
    ours = here.seat.author("admin")
    await here.seat.change(lambda c: c.with_text(CLUSTER, "smtproutes", ROUTES.replace("next", "ours"), ours), "admin")
    await here.seat.hear(dumps(theirs.state), "gw2")
    assert here.options.delivery.smtproutes == ("ALL theirs.example:25",), "the later one"
    assert "smtproutes of cluster was changed apart" in here.machine.told[0]
    await here.seat.change(lambda c: c.with_text(CLUSTER, "smtproutes", ROUTES, ours), "admin")
    ((subject, text),) = here.machine.ended
    assert subject.endswith("/smtproutes") and text == "cluster: smtproutes of cluster is the same on all sides"


async def test_who_leaves_has_no_trouble_of_the_cluster_any_more(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "listeners", LISTENERS, OTHER))
    heard = here.cluster.with_text(CLUSTER, "listeners", LISTENERS.replace("Data", "Lacking"), OTHER)
    await here.seat.hear(dumps(heard.state), "gw2")
    await here.seat.leave("admin")
    assert [subject for subject, _ in here.machine.ended] == ["listeners"]


async def test_who_leaves_or_is_removed_keeps_the_settings_that_it_had(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "smtproutes", ROUTES, OTHER))
    gone = here.cluster.without_member(here.cluster.member_named("gw1"))
    await here.seat.hear(dumps(gone.state), "gw2")
    assert here.seat.membership is None
    assert here.options.delivery.smtproutes == ("ALL next.example:25",)
    assert "smtproutes" in present(here.machine.text(), FEATURES)
    with pytest.raises(ClusterRefused):
        await here.seat.leave("admin")


async def test_a_file_of_the_cluster_that_is_broken_is_a_problem_of_the_configuration(here: Here) -> None:
    (here.directory / "cluster.json").write_text("{")
    with pytest.raises(BadConfiguration, match=r"cluster.json.*put it back from a backup"):
        read_options(here.directory)


# --- commits at a level
def staged(here: Here, store: MemoryStore, level: Level, text: str) -> list[str]:
    place = place_of(here.directory, here.seat, store, level)
    assert place is not None
    return [str(problem) for problem in place.check(text)]


async def test_a_level_refuses_what_is_of_a_machine_and_names_members_that_lack_an_interface(here: Here) -> None:
    await here.enter()
    store, level = open_memory(), Level(Kind.CLUSTER)
    (problem,) = staged(here, store, level, "[web]\nenabled = false\n")[1:]
    assert "web.enabled is of one machine" in problem
    (problem,) = staged(here, store, level, "[[gateway.listeners]]\naddress = '192.0.2.1'\n")
    assert "name an interface in its place" in problem
    (problem,) = staged(here, store, level, LISTENERS)
    assert 'the interface "Data", which is missing on gw2' in problem
    gw2 = here.cluster.member_named("gw2")
    await here.seat.change(lambda c: c.with_facts(gw2, Facts(("Data",)), OTHER), "bob")
    assert staged(here, store, level, LISTENERS) == []
    assert place_of(here.directory, here.seat, store, Level(Kind.GROUP, "nowhere")) is None


async def test_a_commit_at_a_level_is_in_force_recorded_and_can_be_rolled_back(here: Here) -> None:
    await here.enter(lambda c: c.with_text(CLUSTER, "listeners", LISTENERS, OTHER))
    store = open_memory()
    place = place_of(here.directory, here.seat, store, Level(Kind.GROUP, "main_group"))
    assert place is not None
    done = await place.commit(place.read(), ROUTES, Change("admin", "routes"))
    assert "+smtproutes" in done.difference
    assert here.options.delivery.smtproutes == ("ALL next.example:25",)
    assert [version.comment for version in place.history()] == ["routes"]
    assert place.version(1) == ROUTES == place.read()
    with pytest.raises(NotConfigured):
        await place.commit("", "", Change("admin", ""))
