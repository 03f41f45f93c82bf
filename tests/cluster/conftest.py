"""One site for all tests here: it takes the machine half a minute to build. Each test leaves a cluster of five."""

from collections.abc import Iterator

import pytest

from tests.cluster.site import Site, built


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with built(tmp_path_factory.mktemp("site")) as found:
        yield found
