"""A manager sends its alerts itself: by the hosts of its options or by MX, and never another's octets."""

from dataclasses import replace

import pytest

from pratique.delivery.routes import Hop, RouteError, Way
from pratique.runner.alerts.post import AlertPost, routes_of
from pratique.runner.alerts.settings import AlertRecipient, ManagerAlertSettings
from pratique.runner.jobs import Job
from pratique.telemetry import events as log
from tests.runner.support import Node

SETTINGS = ManagerAlertSettings(
    recipients=(AlertRecipient("ops@example.org"),), hosts=("192.0.2.9:2525", "mail.example")
)


def test_the_hosts_of_the_options_come_before_mx() -> None:
    found = routes_of(SETTINGS).find("example.org")
    assert (found.way, found.hops) == (Way.HOSTS, (Hop("192.0.2.9", 2525), Hop("mail.example", 25)))
    assert routes_of(ManagerAlertSettings()).find("example.org").way is Way.MX
    with pytest.raises(RouteError):
        routes_of(ManagerAlertSettings(hosts=("a:b",)))


async def test_it_leaves_as_it_was_written_or_not_at_all() -> None:
    node = Node("manager")
    post = AlertPost(node.services, SETTINGS)
    post.deliverer.suspend()
    raised = await post.alerts.test()
    copy = node.store.view.copy(raised.mid)
    assert copy is not None and copy.extent is not None
    job = Job(copy.mid, "example.org", ())
    octets = b"".join(post.compose(copy, job).pieces)
    assert octets.startswith(b"From: alert@manager.example.net\r\n")
    for broken in (replace(copy, sha256="0" * 64), replace(copy, extent=None)):
        with pytest.raises(OSError):
            post.compose(broken, job)
    assert node.log.of(log.AlertRaised)
