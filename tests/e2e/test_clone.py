"""Two machines under one identity: the older instance is fenced, the clone is proved and locked by name, mail waits."""

import asyncio
import shutil
import signal

from pratique.front.enroll import enrol_stopped
from tests.e2e.cpq_talk import FakeGateway
from tests.e2e.world import Appliance, World, message, until


def _clone(world: World, original: Appliance) -> Appliance:
    """A copy of the directory, at another address; the original is stopped."""
    clone = Appliance("clone.test", original.role, f"{world.network}.5", world.base / "clone")
    shutil.copytree(original.directory, clone.directory)
    path = clone.directory / "pratique.toml"
    path.write_text(path.read_text().replace(original.address, clone.address))
    shutil.rmtree(clone.directory / "log", ignore_errors=True)
    world.appliances.append(clone)
    return clone


def test_a_cloned_gateway_locks_its_identity_until_an_administrator_unlocks_it(world: World) -> None:
    world.pair()
    world.start()
    manager, gateway = world.manager, world.gateway
    serial = manager.rows("SELECT serial FROM peer")[0][0]
    gateway.send("a@partner.example", ["one@demo.example"], message("one"))
    until(lambda: len(manager.held()) == 1)
    assert gateway.stop() == 0
    clone = _clone(world, gateway)
    gateway.start()
    gateway.logged(r"TLS success .* the\.cpq\.host", count=2)
    clone.start()
    clone.logged(r"TLS success .* the\.cpq\.host")

    gateway.send("a@partner.example", ["two@demo.example"], message("two"))
    (alarm,) = manager.logged(rf"Critical: appliance gw2\.test \({serial}\) is locked: two machines use this identity")
    assert "pratique enroll" in alarm and "--unlock" in alarm
    fenced = gateway.logged(r"Critical: the\.cpq\.host .*XQFENCED")[-1]
    assert "XQFENCED 554 XQFENCED" not in fenced
    assert f"another machine has said hello to {manager.name} with this appliance's identity" in fenced
    assert f"on {manager.name} `pratique enroll DIR --unlock {serial}`" in fenced
    clone.send("a@partner.example", ["three@demo.example"], message("three"))
    manager.logged(rf"refused: appliance {serial} is locked")
    assert len(manager.held()) == 1
    assert gateway.count("copy WHERE custody IN ('X', 'Q')") == 1
    assert clone.count("copy WHERE custody IN ('X', 'Q')") == 1  # accepted mail waits in both

    assert clone.stop() == 0
    done = world.run("enroll", str(manager.directory), "--unlock", serial)
    assert done.returncode == 0, done.stderr
    assert gateway.stop() == 0
    gateway.start()
    until(lambda: len(manager.held()) == 2, what="the mail that waited is held")
    held = {row["attributes"]["recipient"][0] for row in manager.held()}
    assert held == {"one@demo.example", "two@demo.example"}


def test_a_restart_is_no_clone(world: World) -> None:
    world.pair()
    world.start()
    for number in range(3):
        world.gateway.send("a@partner.example", [f"r{number}@demo.example"], message("again"))
        until(lambda n=number: len(world.manager.held()) == n + 1)  # type: ignore[misc]
        world.gateway.kill() if number % 2 else world.gateway.stop()
        world.gateway.start()
    assert not world.manager.grep("locked|XQFENCED")


def test_sessions_of_an_older_instance_end_when_a_newer_one_says_hello(world: World) -> None:
    manager = world.make("manager")
    fake = FakeGateway(world.base / "fake", address=f"{world.network}.31")
    asyncio.run(enrol_stopped(manager.directory, fake.enrolment()))
    world.start()
    body = b"Subject: late\r\n\r\n"
    with fake.connect(manager) as old, fake.connect(manager) as new:
        assert old.hello(nonce="0a" * 16).keyword == "XQREADY"
        group = fake.group(body)
        old.raw(group.command_octets)  # half of a group, then the newer instance
        assert old.verdict(2).startswith("250")
        assert new.hello(nonce="0b" * 16).keyword == "XQREADY"
        assert old.reply() == "421 4.3.2 XQFENCED -"
        assert old.ended()
        assert new.say("NOOP") == "250 2.0.0 XQOK"
    assert manager.count("copy") == 0
    assert not manager.grep("is locked")  # an older session is closed; that proves nothing yet
    manager.signal(signal.SIGTERM)
