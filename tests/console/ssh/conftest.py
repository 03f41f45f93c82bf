"""The SSH face of a manager, in both of its forms; host keys are made once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.ssh.house import House, open_house


@pytest.fixture(scope="session")
def host_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(params=["one process", "console process"])
async def house(tmp_path: Path, host_keys: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with open_house(tmp_path, host_keys, far=request.param == "console process") as made:
        yield made
