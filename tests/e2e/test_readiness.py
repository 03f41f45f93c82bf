"""A gateway asks a running manager whether it is ready: XQSTAT over real TLS, answered from what is true then."""

import asyncio
import re

from pratique.front.enroll import enrol_stopped
from tests.e2e.cpq_talk import CpqTalk, FakeGateway
from tests.e2e.world import World

CHECK = re.compile(r"250-2\.0\.0 XQCHECK - ([a-z]+) (YES|NO|UNKNOWN)(?: ([!-.0-~]\S*))?")


def _checks(talk: CpqTalk, members: str = "") -> dict[str, tuple[str, str]]:
    reply = talk.say(f"XQSTAT MEMBERS={members}" if members else "XQSTAT")
    assert reply.split(" / ")[-1].startswith("250 2.0.0 XQMARK "), reply
    return {name: (answer, cure) for name, answer, cure in CHECK.findall(reply)}


def test_a_manager_says_what_it_lacks(world: World) -> None:
    manager = world.make("manager")
    fake = FakeGateway(world.base / "fake", address=f"{world.network}.27")
    asyncio.run(enrol_stopped(manager.directory, fake.enrolment()))
    world.start()
    well = dict.fromkeys(
        ("enrolled", "service", "committed", "accepting", "clock", "version", "migration", "space", "members"),
        ("YES", ""),
    )
    with fake.connect(manager) as talk:
        assert talk.hello().keyword == "XQREADY"
        assert _checks(talk, fake.serial) == well
        stranger = "S" * 20
        assert _checks(talk, f"{fake.serial},{stranger}")["members"] == (
            "NO",
            f"Enrol+20{stranger}+20on+20the+20manager",
        )

        renewed = FakeGateway(world.base / "renewed", address=fake.address, serial=fake.serial)
        paper = world.base / "renewed.json"
        paper.write_text(renewed.enrolment().to_json())
        refused = world.run("enroll", str(manager.directory), str(paper))
        assert refused.returncode == 1 and "--withdraw" in refused.stderr  # nobody takes another's place unasked
        assert world.run("enroll", str(manager.directory), "--withdraw", fake.serial).returncode == 0
    assert world.run("enroll", str(manager.directory), str(paper)).returncode == 0
    with renewed.connect(manager) as talk:
        talk.hello()
        assert _checks(talk) == well
    assert manager.stop() == 0

    path = manager.directory / "pratique.toml"
    path.write_text(path.read_text().replace("[store]\n", f"[store]\nreserve_bytes = {1 << 60}\n"))
    manager.start()
    with renewed.connect(manager) as talk:
        talk.hello()
        found = _checks(talk)
        assert {name for name, (answer, _) in found.items() if answer == "NO"} == {"space", "accepting"}
        assert all(cure for answer, cure in found.values() if answer == "NO")
