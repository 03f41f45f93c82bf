"""Members, groups and levels of a cluster."""

import pytest

from pratique.config.levels import CLUSTER
from pratique.fleet.cluster import Author, Cluster, ClusterRefused, Contact, Facts, Member, new_cluster
from pratique.fleet.replica import dumps, loads, merge

ADMIN = Author("SERIAL1", "admin", 1_000)


def contact(number: int) -> Contact:
    return Contact(
        f"SERIAL{number}", f"gw{number}", f"192.0.2.{number}", 2222, f"ssh-ed25519 H{number}", f"ssh-ed25519 C{number}"
    )


def site(members: int = 3) -> Cluster:
    cluster = new_cluster("ident", "site", ADMIN)
    for number in range(1, members + 1):
        cluster = cluster.with_member(contact(number), cluster.groups()[0], ADMIN)
    return cluster


def member(cluster: Cluster, name: str) -> Member:
    return cluster.member_named(name)


def apart(*, left: Cluster, right: Cluster) -> Cluster:
    """What both sides know when they have heard of each other; the same whoever hears first, and on disk."""
    both = Cluster(merge(left.state, right.state))
    assert merge(right.state, left.state) == both.state
    assert loads(dumps(both.state)) == both.state
    return both


def test_a_new_cluster_has_a_name_and_one_group() -> None:
    cluster = new_cluster("ident", "site", ADMIN)
    assert (cluster.name, [g.name for g in cluster.groups()], cluster.members()) == ("site", ["Main_Group"], [])


def test_members_are_found_by_name_and_serial_and_key() -> None:
    cluster = site()
    assert [m.name for m in cluster.members()] == ["gw1", "gw2", "gw3"]
    assert member(cluster, "SERIAL2").contact == contact(2)
    found = cluster.by_key("ssh-ed25519 C3")
    assert found is not None and found.name == "gw3"
    assert cluster.by_key("ssh-ed25519 H3") is None
    with pytest.raises(ClusterRefused, match="there are: gw1, gw2, gw3"):
        member(cluster, "gw9")


def test_the_group_beats_the_cluster_and_takes_nothing_of_it() -> None:
    cluster = site()
    group = cluster.groups()[0]
    cluster = cluster.with_text(CLUSTER, "policy", "p", ADMIN).with_text(CLUSTER, "smtproutes", "r", ADMIN)
    cluster = cluster.with_text(group.ident, "policy", "", ADMIN)
    assert cluster.inherited(member(cluster, "gw1")) == {"policy": (group.ident, ""), "smtproutes": (CLUSTER, "r")}
    cluster = cluster.with_text(group.ident, "policy", None, ADMIN)
    assert cluster.inherited(member(cluster, "gw1"))["policy"] == (CLUSTER, "p")


def test_a_group_with_members_or_the_last_one_stays() -> None:
    cluster = site().with_group("Branch", ADMIN)
    main, branch = cluster.group_named("Main_Group"), cluster.group_named("branch")
    with pytest.raises(ClusterRefused, match="has members: gw1, gw2, gw3"):
        cluster.without_group(main)
    cluster = cluster.without_group(branch)
    with pytest.raises(ClusterRefused):
        cluster.without_group(cluster.groups()[0])
    with pytest.raises(ClusterRefused, match="there is no group 'Branch'"):
        cluster.group_named("Branch")


def test_a_group_that_is_renamed_on_one_side_keeps_what_the_other_side_set_and_put_into_it() -> None:
    cluster = site().with_group("Branch", ADMIN)
    branch = cluster.group_named("Branch")
    right = cluster.with_text(branch.ident, "policy", "p", ADMIN).with_member_in(member(cluster, "gw2"), branch, ADMIN)
    both = apart(left=cluster.with_group_renamed(branch, "Berlin", ADMIN), right=right)
    assert both.group_named("Berlin").ident == member(both, "gw2").group
    assert both.inherited(member(both, "gw2")) == {"policy": (branch.ident, "p")}
    assert both.conflicts() == []


def test_a_member_of_a_group_that_was_deleted_on_the_other_side_is_in_the_oldest() -> None:
    cluster = site().with_group("Branch", ADMIN)
    branch = cluster.group_named("Branch")
    both = apart(
        left=cluster.without_group(branch),
        right=cluster.with_member_in(member(cluster, "gw2"), branch, ADMIN),
    )
    assert member(both, "gw2").group == both.group_named("Main_Group").ident


def test_a_removed_member_stays_removed_is_still_known_and_may_join_again() -> None:
    cluster = site()
    gone = member(cluster, "gw2")
    moved = cluster.with_contact(gone, contact(9), ADMIN)
    both = apart(left=cluster.without_member(gone), right=moved)
    assert [m.name for m in both.members()] == ["gw1", "gw3"]
    known = both.by_key(contact(9).client_key)
    assert known is not None and both.is_gone(known)
    again = both.with_member(contact(9), both.groups()[0], ADMIN)
    found = again.by_key(contact(9).client_key)
    assert found is not None and not again.is_gone(found) and found.ident != gone.ident


def test_who_is_in_already_does_not_join_again() -> None:
    cluster = site()
    with pytest.raises(ClusterRefused, match="is a member already"):
        cluster.with_member(contact(2), cluster.groups()[0], ADMIN)


def test_a_feature_that_was_changed_apart_is_a_conflict_with_a_name_until_a_person_chooses() -> None:
    cluster = site().with_text(CLUSTER, "policy", "base", ADMIN)
    left = cluster.with_text(CLUSTER, "policy", "left", Author("SERIAL1", "ann", 2_000))
    right = cluster.with_text(CLUSTER, "policy", "right", Author("SERIAL2", "bob", 3_000))
    both = apart(left=left, right=right)
    (conflict,) = both.conflicts()
    assert (conflict.level, conflict.feature) == (CLUSTER, "policy")
    assert [(v.by, v.value) for v in conflict.versions] == [("bob", "right"), ("ann", "left")]
    assert both.pieces(CLUSTER) == {"policy": "right"}
    chosen = both.chosen(conflict.register, conflict.versions[1], ADMIN)
    assert (chosen.conflicts(), chosen.pieces(CLUSTER)) == ([], {"policy": "left"})


def test_two_members_moved_apart_to_two_groups_is_a_conflict_that_names_the_machine() -> None:
    cluster = site().with_group("Branch", ADMIN).with_group("Other", ADMIN)
    gw2 = member(cluster, "gw2")
    both = apart(
        left=cluster.with_member_in(gw2, cluster.group_named("Branch"), ADMIN),
        right=cluster.with_member_in(gw2, cluster.group_named("Other"), Author("SERIAL3", "", 1)),
    )
    (conflict,) = both.conflicts()
    assert (conflict.level, conflict.feature) == ("machine gw2", "")


def test_what_a_member_says_of_itself_is_read_and_an_unreadable_record_is_nothing() -> None:
    cluster = site()
    said = Facts(("Management",), ("policy",), (), "1")
    cluster = cluster.with_facts(member(cluster, "gw1"), said, ADMIN)
    gw1 = member(cluster, "gw1")
    assert gw1.facts == said
    assert cluster.with_facts(gw1, said, ADMIN) is cluster
    broken = Cluster(cluster.state.put(f"{gw1.ident}/facts", '{"interfaces": 3}', member="X", by="", at_ms=1))
    assert member(broken, "gw1").facts == Facts()
    lost = Cluster(cluster.state.put(f"{gw1.ident}/contact", '{"serial": 3}', member="X", by="", at_ms=1))
    assert [m.name for m in lost.members()] == ["gw2", "gw3"]


def test_a_key_that_may_join_does_so_once() -> None:
    cluster = site().with_prepared("ssh-ed25519 N", ADMIN)
    with pytest.raises(ClusterRefused):
        cluster.with_prepared("ssh-ed25519 N", ADMIN)
    ((ident, key),) = cluster.prepared().items()
    assert key == "ssh-ed25519 N"
    assert cluster.without_prepared(ident).prepared() == {}


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "-x", "a;b", "cluster"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ClusterRefused):
        new_cluster("ident", name or "\n", ADMIN).with_group(name, ADMIN)
