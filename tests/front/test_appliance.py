"""An appliance put together from its files."""

import asyncio
from pathlib import Path

import pytest

from pratique.front.appliance import NUMBERS_SETTING, Appliance, build
from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.front.options import FILE
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.runner.services import NUMBERS_GAP
from pratique.store.moves import PutSetting, StoreFailed


def _made(directory: Path, role: str) -> Path:
    overrides = {"cpq.address": '"127.0.0.9"'} | ({"gateway.virus.builtin": "false"} if role == "gateway" else {})
    asyncio.run(initialise(role, directory / role, name=f"{role}.test", overrides=overrides, password="x"))
    return directory / role


async def _built(directory: Path) -> Appliance:
    return await build(directory, read_options(directory), on_fatal=lambda error: None)


async def _closed(appliance: Appliance) -> None:
    await appliance.stop()


async def _crashed(appliance: Appliance) -> None:
    """Nothing is said or written at the end."""
    for close in appliance.closers:
        close()
    await appliance.store.close(in_order=False)
    appliance.mail_log.close()


@pytest.fixture
def manager(tmp_path: Path) -> Path:
    return _made(tmp_path, "manager")


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    return _made(tmp_path, "gateway")


async def test_a_manager_has_the_quarantines_that_every_manager_has_and_makes_them_once(manager: Path) -> None:
    for _ in range(2):
        appliance = await _built(manager)
        assert isinstance(appliance.role, Manager)
        assert {q.name for q in appliance.store.view.quarantines()} == set(SYSTEM_MADE)
        await _closed(appliance)


async def test_a_gateway_is_assembled_with_its_listeners_and_policy(gateway: Path) -> None:
    appliance = await _built(gateway)
    assert isinstance(appliance.role, Gateway)
    assert [listener.name for listener in appliance.role.settings.listeners] == ["InboundMail"]
    await _closed(appliance)


async def test_connection_numbers_go_on_after_a_clean_end_and_jump_after_another(gateway: Path) -> None:
    appliance = await _built(gateway)
    assert next(appliance.services.numbers.icid) == 1
    await appliance.stop()
    appliance = await _built(gateway)
    assert next(appliance.services.numbers.icid) == 2
    reserved = str(appliance.services.numbers.reserved)
    await appliance.store.submit(PutSetting(NUMBERS_SETTING, reserved))  # as a start does
    await _crashed(appliance)
    appliance = await _built(gateway)
    assert next(appliance.services.numbers.icid) == 2 + NUMBERS_GAP
    await appliance.stop()


async def test_a_start_that_failed_is_no_crash(gateway: Path) -> None:
    """Neither while it is assembled nor while it binds its ports."""
    (gateway / "bad.yar").write_text("rule broken {")
    path = gateway / FILE
    good = path.read_text()
    path.write_text(good.replace("builtin = false", 'builtin = true\nrules_files = ["bad.yar"]'))
    with pytest.raises(ValueError, match=r"bad\.yar"):
        await _built(gateway)
    path.write_text(good)
    appliance = await _built(gateway)
    await appliance.stop(started=False)
    appliance = await _built(gateway)
    assert appliance.store.clean
    assert (appliance.store.next_mid(), next(appliance.services.numbers.icid) < NUMBERS_GAP) == (1, True)
    await appliance.stop()


async def test_a_start_that_failed_does_not_hide_a_crash(gateway: Path) -> None:
    appliance = await _built(gateway)
    await _crashed(appliance)
    appliance = await _built(gateway)
    await appliance.stop(started=False)
    appliance = await _built(gateway)
    assert not appliance.store.clean
    await appliance.stop()


async def test_an_appliance_that_runs_is_not_run_twice(manager: Path) -> None:
    appliance = await _built(manager)
    with pytest.raises(StoreFailed, match="another process has the store"):
        await _built(manager)
    await _closed(appliance)


async def test_the_log_begins_with_the_appliances_serial(manager: Path) -> None:
    appliance = await _built(manager)
    from pratique.telemetry import events as log

    appliance.mail_log.emit(log.Note(message="hello"))
    await _closed(appliance)
    lines = (manager / "log" / "mail.current").read_text().splitlines()
    assert f"SN: {appliance.options.appliance.serial}" in lines[1]
    assert lines[3].endswith("Info: hello")
