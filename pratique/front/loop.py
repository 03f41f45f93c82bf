"""The event loop that a command runs in."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """In the fast loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
