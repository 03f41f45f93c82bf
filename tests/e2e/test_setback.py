"""A manager whose store was replaced by an older copy recovers by itself what its gateway knows: nothing is lost, and
nothing is delivered twice.
"""

import shutil

from tests.e2e.world import World, message, until


def test_a_manager_that_was_set_back_recovers_what_it_lost(world: World) -> None:
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
    assert manager.release([int(row["mid"]) for row in manager.held() if "one" in str(row)]) == 1
    until(lambda: len(world.hop.messages) == 1, what="one is delivered")
    manager.kill()
    shutil.rmtree(manager.directory / "store")
    shutil.copytree(world.base / "old", manager.directory / "store")

    manager.start()
    gateway.send("a@partner.example", ["three@demo.example"], message("three"))
    manager.logged(r"Critical: XQRECON: this appliance was set back")
    gateway.logged(r"Critical: XQROLLED: sma1\.test was set back")
    until(lambda: len(manager.held()) == 2, what="two came anew, three came, and one is known to be delivered")
    assert manager.release([int(row["mid"]) for row in manager.held()]) == 2
    until(lambda: len(world.hop.messages) == 3, what="they are delivered")
    assert world.hop.recipients() == {"one@demo.example": 1, "two@demo.example": 1, "three@demo.example": 1}
    accepted = world.run("enroll", str(manager.directory), "--accept-setback", serial)
    assert accepted.returncode == 1
    assert "no set-back" in accepted.stderr
