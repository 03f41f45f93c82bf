"""The exchange between members, without a network: a dial that calls the other seat, or fails."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from pratique.fleet.cluster import Author, Contact, Member, new_cluster
from pratique.fleet.cluster_file import Membership
from pratique.fleet.cluster_link import APART, GONE, SAME, Clocks, ClusterLink, LinkFault, answered
from pratique.fleet.replica import loads, merge

ADMIN = Author("SERIAL1", "admin", 1_000)


class Machine:
    """A member with a link to all others of `site`."""

    def __init__(self, site: "Site", membership: Membership) -> None:
        self.site = site
        self.membership: Membership | None = membership
        self.told: list[tuple[str, str]] = []
        self.gone_by = ""
        clocks = Clocks(lambda: site.time, lambda: int(site.time * 1_000))
        self.link = ClusterLink(
            self,
            self.dial,
            clocks,
            spawn=lambda work, name: asyncio.get_running_loop().create_task(work),
            told=lambda name, why: self.told.append((name, why)),
        )

    @property
    def here(self) -> Membership:
        assert self.membership is not None
        return self.membership

    async def hear(self, text: str, whose: str) -> None:
        self.change(Membership(self.here.ident, merge(self.here.state, loads(text)), self.here.apart))

    async def removed(self, by: str) -> None:
        self.gone_by = by
        self.membership = None

    def change(self, membership: Membership) -> None:
        self.membership = membership

    def write(self, feature: str, text: str) -> None:
        author = Author(self.here.me.contact.serial, "admin", int(self.site.time * 1_000))
        cluster = self.here.cluster.with_text("cluster", feature, text, author)
        self.change(Membership(self.here.ident, cluster.state, self.here.apart))

    async def dial(self, member: Member, command: str, sent: str) -> str:
        self.site.dialled += 1
        other = self.site.machines[member.name]
        if {self.here.me.name, member.name} & self.site.cut:
            raise LinkFault(f"{member.name} does not answer", "look at the line")
        found = other.membership.cluster.by_key(self.here.me.contact.client_key) if other.membership else None
        if found is None:
            return "refused\nwho are you"
        return await answered(other, other.link, found, command, sent)

    async def exchange(self) -> None:
        for peer in self.link.peers():
            await self.link.exchange(peer)


class Site:
    def __init__(self) -> None:
        self.time = 100.0
        self.cut: set[str] = set()
        self.dialled = 0
        cluster = new_cluster("ident", "site", ADMIN)
        for n in (1, 2, 3):
            contact = Contact(f"SERIAL{n}", f"gw{n}", "", 0, "", f"key{n}")
            cluster = cluster.with_member(contact, cluster.groups()[0], ADMIN)
        self.machines = {m.name: Machine(self, Membership(m.ident, cluster.state)) for m in cluster.members()}

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.machines.values())

    def digests(self) -> set[str]:
        return {machine.here.state.digest() for machine in self}


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if reached():
            return
        await asyncio.sleep(0)
    raise AssertionError("not reached")


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_change_reaches_all_and_who_knows_it_already_hears_one_word(site: Site) -> None:
    gw1, gw2, _ = site
    gw1.write("policy", "p")
    await gw1.exchange()
    assert len(site.digests()) == 1
    site.dialled = 0
    await gw2.exchange()
    assert site.dialled == 2
    assert all(gw2.link.standing(peer.ident).in_step for peer in gw2.link.peers())


async def test_who_is_removed_while_it_is_asked_is_not_heard_any_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gw1, _, gw3 = site
    gw3.write("policy", "of one who is gone")
    dial = Machine.dial

    async def late(machine: Machine, member: Member, command: str, sent: str) -> str:
        said = await dial(machine, member, command, sent)
        if sent:  # a dial that hung while the line was down
            gone = gw1.here.cluster.without_member(gw3.here.me)
            gw1.change(Membership(gw1.here.ident, gone.state))
        return said

    gw1.write("smtproutes", "r")
    monkeypatch.setattr(gw1.link, "_dial", lambda *asked: late(gw1, *asked))
    (member,) = [peer for peer in gw1.link.peers() if peer.name == "gw3"]
    await gw1.link.exchange(member)
    assert "policy" not in gw1.here.cluster.pieces("cluster")
    assert gw1.here.cluster.pieces("cluster")["smtproutes"] == "r"


async def test_a_machine_that_left_sends_nobody_away(site: Site) -> None:
    """It may leave between the sign-in of another and its answer."""
    gw1, _, gw3 = site
    asking = gw3.here.cluster.member_named("gw1")
    gw3.membership = None
    for command, sent in (("exchange x", ""), ("exchange", "a state")):
        assert (await answered(gw3, gw3.link, asking, command, sent)).startswith("refused\n")
    await gw1.exchange()
    assert gw1.membership is not None and not gw1.gone_by


async def test_who_was_removed_meanwhile_cannot_say_that_we_were(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    gw1, _, gw3 = site

    async def late(member: Member, command: str, sent: str) -> str:
        gw1.change(Membership(gw1.here.ident, gw1.here.cluster.without_member(gw3.here.me).state))
        return GONE

    monkeypatch.setattr(gw1.link, "_dial", late)
    await gw1.link.exchange(next(peer for peer in gw1.link.peers() if peer.name == "gw3"))
    assert not gw1.gone_by


async def test_both_sides_of_a_cut_work_on_and_are_one_again_behind_it(site: Site) -> None:
    gw1, gw2, gw3 = site
    site.cut = {"gw3"}
    gw1.write("policy", "left")
    gw3.write("policy", "right")
    gw3.write("smtproutes", "r")
    await gw1.exchange()
    await gw3.exchange()
    assert gw1.here.state == gw2.here.state != gw3.here.state
    assert gw1.told == [("gw3", "gw3 does not answer; look at the line")]
    await gw1.exchange()
    assert len(gw1.told) == 1, "the same fault is told once"

    site.cut = set()
    await gw3.exchange()
    assert len(site.digests()) == 1
    assert [conflict.feature for conflict in gw2.here.cluster.conflicts()] == ["policy"]
    assert gw2.here.cluster.pieces("cluster")["smtproutes"] == "r"
    await gw1.exchange()
    assert gw1.told[-1] == ("gw3", "")


async def test_a_removed_member_hears_of_it_and_its_changes_count_no_more(site: Site) -> None:
    gw1, gw2, gw3 = site
    gone = gw3.here.me
    gw1.change(Membership(gw1.here.ident, gw1.here.cluster.without_member(gone).state))
    gw3.write("policy", "p")
    await gw3.exchange()
    assert gw3.gone_by == "gw1"
    await gw1.exchange()
    await gw2.exchange()
    assert gw2.here.cluster.is_gone(gone)
    assert "policy" not in gw1.here.cluster.pieces("cluster")
    assert await answered(gw2, gw2.link, gone, "exchange", "") == GONE


async def test_who_is_disconnected_speaks_with_nobody_and_nobody_with_it(site: Site) -> None:
    gw1, gw2, _ = site
    gw1.change(Membership(gw1.here.ident, gw1.here.state, frozenset((gw1.here.ident,))))
    assert gw1.link.peers() == []
    assert await answered(gw1, gw1.link, gw2.here.me, "exchange x", "") == APART
    await gw2.link.exchange(gw1.here.me)
    assert "disconnected" in gw2.link.standing(gw1.here.ident).error


async def test_nonsense_of_a_member_is_refused_and_changes_nothing(site: Site) -> None:
    gw1, gw2, _ = site
    before = gw1.here.state
    for sent in ("", "{}", "[" * 100_000):
        assert (await answered(gw1, gw1.link, gw2.here.me, "exchange", sent)).startswith("refused\n")
    assert (await answered(gw1, gw1.link, gw2.here.me, "rm -rf", "")).startswith("refused\n")
    assert gw1.here.state is before
    assert await answered(gw1, gw1.link, gw2.here.me, f"exchange {before.digest()}", "") == SAME


async def test_the_loop_speaks_after_a_change_and_again_with_who_was_away(site: Site) -> None:
    gw1, gw2, gw3 = site
    loops = [asyncio.get_running_loop().create_task(machine.link.run()) for machine in site]
    try:
        gw1.write("policy", "p")
        gw1.link.changed()
        await until(lambda: len(site.digests()) == 1)
        site.cut = {"gw3"}
        gw2.write("policy", "q")
        gw2.link.changed()
        await until(lambda: bool(gw2.told) and gw1.here.state == gw2.here.state)
        site.cut = set()
        site.time += 60
        for machine in site:
            machine.link.changed()
        await until(lambda: len(site.digests()) == 1)
        assert gw3.here.cluster.pieces("cluster") == {"policy": "q"}
    finally:
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
