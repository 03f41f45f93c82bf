"""The workers' code limits the CPU time of its process. Where a test calls it in this process, the limit is lifted
again: else the test runner itself would die some seconds later."""

import resource
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _limits_end_with_the_test() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)
