"""A joined cluster of five and their manager: what readiness and clustercheck say of it, and members that an
administrator disconnects and reconnects."""

import re

import pytest

from tests.cluster.site import HEAL_SECONDS, NAMES, Site
from tests.e2e.shell_talk import typed
from tests.e2e.world import until


def checks(site: Site, name: str) -> dict[str, tuple[str, str, str]]:
    """Check -> how it ended, what was found, its cure."""
    text = typed(site[name], "readiness")[0]
    return {
        check: (state, found, cure or "")
        for state, check, found, cure in re.findall(
            r"^(passed|FAILED|unknown) +(\S+): (.*)(?:\n +cure: (.*))?$", text, re.M
        )
    }


@pytest.mark.timeout(300)
def test_every_member_is_added_has_the_interface_and_overrides_nothing(site: Site) -> None:
    gw1, gw3, gw5 = site["gw1"], site["gw3"], site["gw5"]
    found = until(lambda: (now := checks(site, "gw1")).get("members") and now, HEAL_SECONDS, "gw1 reaches the manager")
    assert found["cluster-level"][1] == "the quarantine port is set for cluster: 5 machines"
    assert {name for name, (state, _, _) in found.items() if state == "FAILED"} == {"members"}
    assert re.fullmatch(r"Enrol gw5\.test \(\w{20}\) on the manager", found["members"][2])

    said = gw5.say(f"smaconfig add {site.manager.say('applianceconfig print').split()[-1]}")
    site.manager.say(f"applianceconfig paste {gw5.say('smaconfig print').split()[-1]} gw5")
    for name in ("gw1", "gw5"):
        until(lambda name=name: typed(site[name], "readiness")[1] == 0, HEAL_SECONDS, f"{name} is ready; {said}")
    until(lambda: gw1.data("clustercheck") == [], HEAL_SECONDS, "nothing to say")

    # a member overrides the level; taken away there, it is as before
    gw5.say("set gateway.quarantines Law; commit own")
    overrides = until(lambda: (now := checks(site, "gw1"))["cluster-overrides"][0] == "FAILED" and now, HEAL_SECONDS)
    assert overrides["cluster-overrides"][1].endswith("not so on gw5.test (quarantines)")
    gw5.say("clusterset delete quarantines; commit back")
    until(lambda: checks(site, "gw1")["cluster-overrides"][0] == "passed", HEAL_SECONDS, "gw5 overrides nothing")

    # an interface goes on one member, long after the cluster named it
    gw3.say("interfaceconfig delete Data yes; commit gone")
    for name in ("gw1", "gw3", "gw5"):
        failed = until(
            lambda name=name: (now := checks(site, name))["cluster-interface"][0] == "FAILED" and now, HEAL_SECONDS
        )
        assert failed["cluster-interface"][1] == "Data: not so on gw3.test"
        assert "interfaceconfig" in failed["cluster-interface"][2]
        (finding,) = site[name].data("clustercheck")
        assert finding["what"] == 'gw3.test has no interface "Data", which its settings of cpq, listeners name'
    gw3.say(f"interfaceconfig new Data {gw3.address}; commit back")
    until(lambda: checks(site, "gw1")["cluster-interface"][0] == "passed", HEAL_SECONDS, "gw3 has it again")
    assert gw1.data("clustercheck") == []
    assert not site.faults()


@pytest.mark.timeout(300)
def test_a_disconnected_member_is_changed_as_the_others_are_and_reconnected(site: Site) -> None:
    gw1, gw5 = site["gw1"], site["gw5"]
    gw5.say("clusterconfig disconnect gw5.test")
    gw5.say("clustermode cluster; set delivery.smtproutes 'ALL right.example:25'; commit right")
    gw5.say("clustermode cluster; set delivery.bounce.original_bytes_max 9000; commit alone")
    gw1.say("clustermode cluster; set delivery.smtproutes 'ALL left.example:25'; commit left")
    gw1.say("clustermode cluster; set delivery.hops_max 90; commit left")
    site.one("the four that are connected", NAMES[:4])
    assert gw5.digest != gw1.digest, "nothing has come to the disconnected one, and nothing from it"
    assert "right.example" in gw5.routes() and "left.example" in site["gw4"].routes()
    assert "disconnected" in until(lambda: row(site, "gw1", "gw5.test")["error"], HEAL_SECONDS, "gw1 hears why")
    assert row(site, "gw5", "gw5.test")["disconnected"]
    assert any("gw5.test is not reached" in finding["what"] for finding in gw1.data("clustercheck"))

    gw5.say("clusterconfig reconnect gw5.test")
    site.one("all have the same state again")
    for name in NAMES:
        shown = site[name].say("clustermode cluster; showconfig")
        assert "original_bytes_max = 9000" in shown and "hops_max = 90" in shown, "different features are merged"
        conflicts = [finding for finding in site[name].data("clustercheck") if "versions" in finding]
        assert ["smtproutes of cluster was changed apart" in one["what"] for one in conflicts] == [True]
    gw5.say("clustercheck choose cluster/text/smtproutes 2")
    site.one("the choice is everywhere")
    until(lambda: gw1.data("clustercheck") == [], HEAL_SECONDS, "nothing is left to say")
    assert len({site[name].routes() for name in NAMES}) == 1

    # one pair only: what the one does reaches the other by the rest
    gw1.say("clusterconfig disconnect gw2.test")
    gw1.say("clustermode cluster; set delivery.smtproutes 'ALL round.example:25'; commit round")
    site.one("by way of the others")
    assert "round.example" in site["gw2"].routes() and row(site, "gw1", "gw2.test")["disconnected"]
    gw1.say("clusterconfig reconnect gw2.test")
    until(lambda: row(site, "gw1", "gw2.test")["up"], HEAL_SECONDS, "gw1 speaks with gw2 again")
    assert not site.faults()


def row(site: Site, here: str, there: str) -> dict[str, object]:
    """How it stands with a member, as another sees it."""
    (found,) = [row for row in site[here].data("clusterconfig connstatus") if row["name"] == there]
    return dict(found)
