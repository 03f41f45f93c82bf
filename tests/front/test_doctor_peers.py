"""What stands between two appliances, as the doctor shows it: locks and set-backs, each with its side and its cure."""

import json
from pathlib import Path
from typing import Any

import pytest

from pratique.fleet.identity import Keys
from pratique.front.check import Check
from pratique.front.doctor import examine, rendered
from pratique.front.doctor_peers import check_peer, check_set_back
from pratique.front.files import read_options
from pratique.front.patient import Patient
from pratique.front.stopped import opened
from pratique.runner.recovery import GatewayRecovery
from pratique.store.corrupt import found
from pratique.store.moves import TransferStuck
from tests.conformance.samples import OTHER_GATEWAY
from tests.front.local_world import fill, made
from tests.front.pair import pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PEER: dict[str, Any] = {
    "name": "gw.test",
    "serial": OTHER_GATEWAY,
    "role": "gateway",
    "withdrawn": False,
    "locked": "",
    "inc": 2,
    "seq": 40,
    "knows_inc": 3,
    "knows_seq": 70,
    "set_back_here": False,
    "set_back_there": False,
}


@pytest.fixture
async def patient(tmp_path: Path) -> Patient:
    directory = tmp_path / "sma"
    await made("manager", directory)
    return Patient(directory, read_options(directory), Keys(directory / "keys"))


async def test_each_side_that_was_set_back_is_named_with_the_command_for_it(patient: Patient) -> None:
    assert check_set_back(patient, PEER) == []
    here, there = check_set_back(patient, PEER | {"set_back_here": True, "set_back_there": True})
    assert (here.name, there.name) == ("peer gw.test set-back here", "peer gw.test set-back there")
    assert here.failed and there.failed
    assert "gw.test knows it at incarnation 3 number 70" in here.found
    assert f"`pratique enroll {patient.directory} --accept-setback {OTHER_GATEWAY}`" in here.cure
    assert "it was seen at incarnation 2 number 40" in there.found
    own = patient.options.appliance.serial
    assert f"on gw.test `pratique enroll DIR --accept-setback {own}`, which ends the hold here, too" in there.cure


async def test_a_lock_does_not_hide_a_set_back_and_a_withdrawal_needs_neither(patient: Patient) -> None:
    wrong = PEER | {"set_back_there": True, "locked": "two machines use this identity"}
    checks = await check_peer(patient, wrong)
    assert [check.name for check in checks] == ["peer gw.test set-back there", "peer gw.test"]
    assert checks[1].found == "locked: two machines use this identity"
    assert f"--unlock {OTHER_GATEWAY}" in checks[1].cure
    (gone,) = await check_peer(patient, wrong | {"withdrawn": True})
    assert not gone.failed


async def test_a_set_back_shows_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayRecovery, "step", lambda *told: False)  # one that does not testify: else it is over soon
    async with pair(tmp_path) as both:
        manager, gateway = both.manager, both.gateway
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        await manager.stop()
        saved = manager.save("old")
        await manager.start()
        await both.send("two")
        await both.handed_over(2)
        await manager.stop()
        manager.put_back(saved)
        await manager.start()
        await both.send("three")
        await until(lambda: gateway.view.peer(manager.serial).set_back_there)
        await until(lambda: manager.view.peer(gateway.serial).set_back_here)
        for place in (manager, gateway):
            await place.stop()
        mine, other = [_named(await examine(place.directory)) for place in (manager, gateway)]
    here, there = mine["peer gateway2.test set-back here"], other["peer manager.test set-back there"]
    assert f"`pratique enroll {manager.directory} --accept-setback {gateway.serial}`" in here.cure
    assert f"on manager.test `pratique enroll DIR --accept-setback {gateway.serial}`" in there.cure
    assert "peer gateway2.test set-back there" not in mine
    assert f"cure: {here.cure}" in rendered(list(mine.values()))
    assert json.loads(json.dumps(here.to_json()))["state"] == "failed"


def _named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def test_corrupt_copies_are_listed_wherever_they_were_found(tmp_path: Path) -> None:
    directory = tmp_path / "gw"
    await made("gateway", directory)
    one, two, three = await fill(directory, {}, {"custody": "X"}, {"custody": "X"})
    assert _named(await examine(directory))["bodies"].found == "no body is known to be corrupt"
    async with opened(directory, read_options(directory)) as store:
        await store.submit(found(store.view, {one.mid: "its body cannot be read"}))
        await store.submit(TransferStuck(two.cid, 1, "CORRUPT: the stored body does not match its digest", True))
        await store.submit(TransferStuck(three.cid, 1, "554 XQCONFLICT", True))
    check = _named(await examine(directory))["bodies"]
    assert check.found == f"known to be CORRUPT and never delivered: MID {one.mid}, {two.mid}"
