"""Five members are cut off from each other, are changed on both sides, and are one again."""

import contextlib

import pytest

from tests.cluster.site import HEAL_SECONDS, NAMES, Site
from tests.e2e.world import until


@pytest.mark.timeout(600)  # ten restarts' worth of imports on a busy machine
def test_five_members_are_cut_off_changed_on_both_sides_and_one_again(site: Site) -> None:
    gw1, gw4, gw5 = site["gw1"], site["gw4"], site["gw5"]
    assert [row["name"] for row in gw5.data("clusterconfig list")["machines"]] == [f"{n}.test" for n in NAMES]

    # a change reaches all; one that a member could not use is refused with the names
    gw1.say("clustermode cluster; set delivery.smtproutes 'ALL first.example:25'; commit routes")
    site.one("the routes are everywhere")
    until(lambda: all("first.example" in site[name].routes() for name in NAMES), what="and in force")
    refused = gw4.say("clustermode cluster; set cpq.interface Backup; commit", fails=True)
    assert "missing on gw1.test, gw2.test, gw3.test, gw4.test, gw5.test" in refused
    gw4.say("clustermode cluster; clearchanges yes")

    with contextlib.ExitStack() as cut:
        for name in ("gw4", "gw5"):
            cut.enter_context(site.network.partitioned(name))
        gw1.say("clustermode cluster; set delivery.smtproutes 'ALL left.example:25'; commit left")
        gw5.say("clustermode cluster; set delivery.smtproutes 'ALL right.example:25'; commit right")
        gw5.say("clustermode cluster; set delivery.bounce.delay_warning true; commit alone")
        gw4.say("clusterconfig addgroup Branch; clusterconfig setgroup gw4.test Branch")
        site.one("the three that see each other", NAMES[:3])
        assert "right.example" in gw5.routes() and "left.example" in site["gw2"].routes()
        for name in NAMES:
            assert site[name].takes_mail(site).startswith("250"), f"{name} takes mail meanwhile"
        until(lambda: "not reached" in str(gw1.data("clustercheck")), HEAL_SECONDS, "gw1 says who is away")

    site.one("all have the same state again")
    for name in NAMES:
        (finding,) = [f for f in site[name].data("clustercheck") if "versions" in f]
        assert "smtproutes of cluster was changed apart" in finding["what"]
        assert {"left.example" in str(v["value"]) for v in finding["versions"]} == {True, False}
        assert "right.example" in site[name].routes(), "the later one is in force everywhere"
        groups = {row["name"]: row["group"] for row in site[name].data("clusterconfig list")["machines"]}
        assert groups == {f"{n}.test": "Branch" if n == "gw4" else "Main_Group" for n in NAMES}
    assert gw1.logged("smtproutes of cluster was changed apart on two sides")

    gw4.say("clustercheck choose cluster/text/smtproutes 2")
    site.one("the choice is everywhere")
    until(lambda: all("left.example" in site[name].routes() for name in NAMES), what="and in force")
    until(lambda: gw5.data("clustercheck") == [], HEAL_SECONDS, "nothing is left to say")

    # who is removed while away hears of it when it is back, and works on with what it had
    with site.network.partitioned("gw5"):
        gw1.say("clusterconfig removemachine gw5.test yes")
        gw5.say("clustermode cluster; set delivery.tls no; commit never")
        site.one("the others have heard of it", NAMES[:4])
    until(lambda: not gw5.digest, HEAL_SECONDS, "gw5 is in no cluster")
    site.one("the others do not know what it did last", NAMES[:4])
    assert 'tls = "no"' not in gw1.say("clustermode cluster; showconfig")
    assert "left.example" in (gw5.directory / "pratique.toml").read_text()
    assert gw5.takes_mail(site).startswith("250")
    site.admit("gw5")
    site.one("gw5 is a new member")
    assert not site.faults()
