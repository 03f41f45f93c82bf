"""A world for one test, and one for all tests of a file that leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A manager and a gateway, running; the gateway holds mail whose subject begins with "hold"."""
    made = World(tmp_path_factory.mktemp("shared") / "world")
    filters = 'hold: if (subject == "^hold") { quarantine("Policy"); }'
    made.pair(gateway={"gateway.policy.filters": filters})
    made.start()
    yield made
    made.close()
