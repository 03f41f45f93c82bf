"""A manager whose store was replaced by an older copy: held on both sides until the administrator's command, given
while it runs, lets mail flow again.
"""

import shutil

from tests.e2e.world import World, message, until


def test_an_administrator_accepts_a_set_back_of_a_running_manager(world: World) -> None:
    world.pair()
    world.start()
    manager, gateway = world.manager, world.gateway
    serial = manager.rows("SELECT serial FROM peer")[0][0]
    gateway.send("a@partner.example", ["one@demo.example"], message("one"))
    until(lambda: len(manager.held()) == 1)
    assert manager.stop() == 0
    shutil.copytree(manager.directory / "store", world.base / "old")
    manager.start()
    gateway.send("a@partner.example", ["two@demo.example"], message("two"))
    until(lambda: len(manager.held()) == 2)
    until(lambda: gateway.count("copy WHERE custody = 'DONE'") == 2, what="the gateway has read the acknowledgements")
    manager.kill()
    shutil.rmtree(manager.directory / "store")
    shutil.copytree(world.base / "old", manager.directory / "store")

    manager.start()
    gateway.send("a@partner.example", ["three@demo.example"], message("three"))
    manager.logged(r"Critical: XQRECON: this appliance was set back")
    gateway.logged(r"Critical: XQROLLED: sma1\.test was set back")
    (named,) = gateway.logged(r"acknowledged messages that it does not know any more")
    mid = gateway.rows("SELECT mid FROM copy WHERE custody = 'DONE' ORDER BY mid DESC")[0][0]
    assert named.endswith(f"MID {mid}")
    held = int(manager.held()[0]["mid"])
    assert manager.release([held]) == 0
    manager.kill()
    manager.start()
    manager.logged(r"nothing is exchanged with gw2\.test: this appliance was set back")
    assert len(manager.held()) == 1

    done = world.run("enroll", str(manager.directory), "--accept-setback", serial)
    assert done.returncode == 0, done.stderr
    until(lambda: len(manager.held()) == 2, what="the mail that waited is held")
    assert manager.release([int(row["mid"]) for row in manager.held()]) == 2
    until(lambda: len(world.hop.messages) == 2, what="it is delivered")
    assert world.hop.recipients() == {"one@demo.example": 1, "three@demo.example": 1}
    assert manager.logged("Critical: an administrator accepted .* Possible loss: .* Possible duplicates: ")
    again = world.run("enroll", str(manager.directory), "--accept-setback", serial)
    assert again.returncode == 1
    assert "no set-back" in again.stderr
