"""The REST API of a manager over a real store; the same tests hold for both forms of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.rest_world import RestWorld, open_world


@pytest.fixture(params=["one process", "console process"])
async def rest(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RestWorld]:
    world = await open_world(tmp_path, far=request.param == "console process")
    yield world
    await world.close()
