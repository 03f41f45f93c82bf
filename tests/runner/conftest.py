"""A post office for the tests of delivery."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pratique.delivery.settings import RetrySettings
from tests.runner.hop import Post

STEADY = RetrySettings(jitter_percent=0)
Make = Callable[..., Post]


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Post] = []

    def one(**how: Any) -> Post:
        made.append(Post(monkeypatch, **{"retry": STEADY, **how}))
        return made[-1]

    yield one
    for post in made:
        await post.close()
