"""A joined cluster of five and their manager: what readiness and clustercheck say of it."""

import re

import pytest

from tests.cluster.site import HEAL_SECONDS, Site
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
