"""Users that a cluster shares, on members that take them and on one that does not."""

from typing import Any

import pytest

from tests.cluster.site import HEAL_SECONDS, Member, Site
from tests.e2e.world import until


def row(member: Member, name: str) -> tuple[Any, ...]:
    """(role, hash, disabled) as the member has it; nothing where it has no such user."""
    return next(iter(member.rows("SELECT role, password, disabled FROM user WHERE name = ?", name)), ())


def same(*members: Member, name: str) -> bool:
    return len({row(member, name) for member in members}) == 1


@pytest.mark.timeout(300)
def test_a_shared_user_is_everywhere_where_it_is_wanted_and_the_last_administrator_stays(site: Site) -> None:
    gw1, gw3, gw5 = site["gw1"], site["gw3"], site["gw5"]
    gw1.say("userconfig new anna operator 'a phrase of hers'")
    assert "takes no users" in gw1.say("userconfig share anna", fails=True)
    for member in (gw1, gw3):
        member.say("set appliance.cluster_users true; commit users")
    gw1.say("userconfig share anna")
    until(lambda: row(gw3, "anna") and same(gw1, gw3, name="anna"), HEAL_SECONDS, "gw3 has her")
    assert row(gw5, "anna") == (), "gw5 takes no shared users"
    assert "shared by the cluster" in gw3.say("userconfig list")

    # a change on either side reaches the other
    gw3.say("userconfig password anna 'another phrase'")
    until(lambda: same(gw1, gw3, name="anna"), HEAL_SECONDS, "gw1 has the new one")
    gw1.say("userconfig disable anna")
    until(lambda: row(gw3, "anna")[2], HEAL_SECONDS, "she can sign in nowhere")
    secret = row(gw1, "anna")[1]
    assert not any(secret in line for member in (gw1, gw3, gw5) for line in member.log())

    # what would leave gw3 without an administrator is not taken up there
    gw1.say("userconfig new boss administrator 'a phrase of the boss'; userconfig share admin")
    until(lambda: same(gw1, gw3, name="admin"), HEAL_SECONDS, "one admin")
    gw1.say("userconfig disable admin")
    found = until(lambda: [f for f in gw3.data("clustercheck") if "admin" in f["what"]], HEAL_SECONDS, "gw3 says so")
    assert "no administrator would be left" in found[0]["what"]
    assert row(gw3, "admin")[2] == 0 and row(gw1, "admin")[2] == 1
    gw3.logged("the shared user 'admin' is not taken up")
    gw1.say("userconfig share boss")
    until(lambda: row(gw3, "admin")[2] == 1, HEAL_SECONDS, "now there is another")
    assert row(gw3, "boss")[0] == "administrator"
    gw3.say("userconfig enable admin 'correct horse battery'")
    until(lambda: same(gw1, gw3, name="admin"), HEAL_SECONDS, "admin is back everywhere")

    # each has its own again
    gw1.say("userconfig unshare admin")
    site.one("nobody shares admin")
    gw3.say("userconfig password admin 'only on gw3 of all'")
    site.one("nothing travels")
    assert not same(gw1, gw3, name="admin")
    assert not site.faults()
