"""The REST API of a manager over a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.rest_world import RestWorld, open_world


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[RestWorld]:
    world = await open_world(tmp_path)
    yield world
    await world.close()
