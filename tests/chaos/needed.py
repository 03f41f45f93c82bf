"""What tests in network namespaces need of the machine."""

import os

import pytest

from tests.chaos import network


def need_namespaces() -> None:
    """In CI their absence is a failure, elsewhere a reason to skip."""
    try:
        network.check()
    except network.CannotRun as why:
        if os.environ.get("CI") == "true":
            pytest.fail(str(why))
        pytest.skip(str(why))
