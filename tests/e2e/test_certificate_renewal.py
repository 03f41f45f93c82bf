"""The certificates of the quarantine port are renewed at both ends while mail goes both ways, and with an end that was
away: no transfer fails, nobody is locked out."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.world import Appliance, World, message, until

FAILURES = "Delayed|TLS failed|Connection Error|not enrolled|NOTENROLLED|fault|Bounced"


def renew(world: World, appliance: Appliance) -> str:
    done = world.run("shell", str(appliance.directory), "certconfig renew")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def own(appliance: Appliance) -> str:
    pem = (appliance.directory / "keys" / "cpq.crt").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def enrolled(here: Appliance) -> str:
    """What it knows of its one peer."""
    return str(here.rows("SELECT fingerprint FROM peer")[0][0])


@contextmanager
def mail(appliance: Appliance, sent: list[str]) -> Iterator[None]:
    """One message behind the other, until the end."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            subject = f"number {len(sent)}"
            appliance.send("a@partner.example", ["b@demo.example"], message(subject))
            sent.append(subject)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_both_ends_are_renewed_while_mail_is_transferred(world: World) -> None:
    world.pair()
    world.start()
    gateway, manager = world.gateway, world.manager
    before = {manager: own(manager), gateway: own(gateway)}
    sent: list[str] = []
    with mail(gateway, sent):
        until(lambda: len(sent) > 5 and len(manager.held()) > 0)
        at_first = {a: a.grep(FAILURES) for a in before}  # who is up first cannot connect
        for appliance in (manager, gateway):
            renew(world, appliance)
        until(lambda: all(own(a) != before[a] for a in before), what="both show new certificates", seconds=60)
        until(lambda: enrolled(gateway) == own(manager), what="the gateway knows it", seconds=60)
        until(lambda: enrolled(manager) == own(gateway), what="the manager knows it", seconds=60)
        at = len(sent)
        until(lambda: len(sent) > at + 5)
    held = until(lambda: len(found := manager.held()) == len(sent) and found, 60, "all mail is held")
    assert manager.release([int(one["mid"]) for one in held]) == len(sent)
    until(lambda: len(world.hop.messages) == len(sent), 60, "all mail is delivered")
    for appliance in (gateway, manager):
        assert appliance.grep(FAILURES) == at_first[appliance]
        actions = [row[0] for row in appliance.rows("SELECT action FROM audit")]
        assert {"stage-certificate", "renew-certificate", "renew-peer-certificate"} <= set(actions)


def test_a_gateway_that_was_away_confirms_when_it_is_back(world: World) -> None:
    world.pair()
    manager, gateway = world.manager, world.gateway
    world.start(manager)
    before = own(manager)
    said = renew(world, manager)
    assert "waits until these appliances have said hello" in said and gateway.name in said
    listed = world.run("shell", str(manager.directory), "certconfig list").stdout
    assert "cpq-next" in listed
    manager.stop()  # what is staged lives on
    world.start(manager)
    assert own(manager) == before
    world.start(gateway)
    gateway.send("a@partner.example", ["b@demo.example"], message("one"))
    until(lambda: own(manager) != before, what="the manager shows its new certificate", seconds=90)
    until(lambda: enrolled(gateway) == own(manager), what="and the gateway knows it", seconds=90)
    gateway.send("a@partner.example", ["b@demo.example"], message("two"))
    until(lambda: len(manager.held()) == 2, 30)
    assert gateway.grep("not enrolled|NOTENROLLED") == manager.grep("not enrolled|NOTENROLLED") == []
