"""The gateway that caught a message is gone when it is released: a command sends it to another one."""

import json

from tests.e2e.world import HOLD_ALL, World, message, until


def test_a_release_is_overridden_to_a_second_gateway(world: World) -> None:
    world.pair()
    second = world.make("gateway", options={"gateway.policy.filters": HOLD_ALL})
    world.enrol(world.manager, second)
    world.start()
    manager, first = world.manager, world.gateway
    serial = manager.rows("SELECT serial FROM peer WHERE name = ?", second.name)[0][0]
    first.send("a@partner.example", ["one@demo.example"], message("one"))
    until(lambda: manager.held())
    (mid,) = [int(row["mid"]) for row in manager.held()]
    command = ("release", str(manager.directory), str(mid), "--to", serial)
    early = world.run(*command)
    assert (early.returncode, "it is held: release it first" in early.stderr) == (1, True)

    first.kill()
    assert manager.release([mid]) == 1
    refused = world.run(*command)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--override offers it to both: it may be delivered twice" in refused.stderr
    assert not world.hop.messages

    done = world.run(*command, "--override")
    assert (done.returncode, done.stderr) == (0, "")
    assert "so this is a possible duplicate" in done.stdout
    until(lambda: world.hop.messages, what="the second gateway delivers it")
    assert b"X-Possible-Duplicate: yes\r\n" in world.hop.messages[0].octets
    manager.logged(rf"Critical: MID {mid}: its release goes to .* by local:\w+, who overrides: .* possible duplicate")
    actor, detail = manager.rows("SELECT actor, detail FROM audit WHERE action = 'retarget'")[0]
    assert actor.startswith("local:")
    assert json.loads(detail) | {"to": serial, "override": True, "may_duplicate": True} == json.loads(detail)
    until(lambda: manager.count("copy WHERE custody = 'CLOSED'") == 1, what="its end is told")

    world.start(first)  # it never had the release, and is not offered it any more
    first.logged("started after an end that was not clean")
    late = world.run(*command)
    assert (late.returncode, "not on its way to a gateway" in late.stderr) == (1, True)
    assert world.hop.recipients() == {"one@demo.example": 1}
