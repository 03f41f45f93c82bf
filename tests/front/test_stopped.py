"""The store of an appliance that does not run, opened under its lock for one act."""

import asyncio
from pathlib import Path

import pytest

from pratique.front.doctor import examine
from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.front.local import LocalRefused, ask
from pratique.front.stopped import opened
from pratique.store.moves import PutSetting, StoreFailed


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    asyncio.run(initialise("manager", tmp_path / "sma", name="sma.test", password="x"))
    return tmp_path / "sma"


async def test_what_is_done_is_durable_when_it_is_closed(directory: Path) -> None:
    options = read_options(directory)
    async with opened(directory, options) as store:
        await store.submit(PutSetting("key", "value"))
    async with opened(directory, options) as store:
        assert store.view.setting("key") == "value"


async def test_two_do_not_open_one_store(directory: Path) -> None:
    options = read_options(directory)
    async with opened(directory, options):
        with pytest.raises(StoreFailed, match="another process has the store"):
            async with opened(directory, options):
                pass
    async with opened(directory, options) as store:  # the lock is free again
        assert store.identity.role == "manager"


async def test_a_damaged_store_says_the_same_everywhere_and_sends_nobody_in_a_circle(directory: Path) -> None:
    with (directory / "store" / "store.db").open("r+b") as file:
        file.write(bytes(8_192))
    with pytest.raises(StoreFailed, match=r"file is not a database\); it is damaged: keep the file"):
        async with opened(directory, read_options(directory)):
            pass
    with pytest.raises(LocalRefused, match="put the store back from a copy") as refused:
        await ask(directory, "health")
    assert "pratique doctor" not in str(refused.value) and "just starting" not in str(refused.value)
    (store,) = [check for check in await examine(directory) if check.name == "store"]
    assert store.found.endswith("(file is not a database)") and store.cure.startswith("it is damaged: keep the file")


async def test_an_error_inside_leaves_the_store_closed(directory: Path) -> None:
    options = read_options(directory)
    with pytest.raises(ValueError, match="mine"):
        async with opened(directory, options):
            raise ValueError("mine")
    async with opened(directory, options) as store:
        assert store.identity.serial == options.appliance.serial
