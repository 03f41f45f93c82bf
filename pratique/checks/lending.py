"""A message for a worker that reaches one directory alone: its octets, or a file of its own there.

A worker that reads hostile octets is shut out of the spool, where everybody's mail lies (confine). A small body
is sent; a large one that has a file of its own gets a second name in the workers' directory for as long as it is
read; one whose file we hold open without its name is copied there. Not here: what is read.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pratique.checks.held import HELD_BYTES_MAX
from pratique.mail.body import Body, InFile

_numbers = itertools.count()


@asynccontextmanager
async def lent(body: Body, octets: bytes | None, directory: Path | None, *, most: int) -> AsyncIterator[bytes | InFile]:
    """The first `most` octets of `body` as a worker is told them; `octets`: all of them, where they are in memory.
    `directory`: the workers'; None: they reach everything. Raises OSError."""
    if octets is not None:
        yield octets[:most]
    elif directory is None and body.place is not None:
        yield body.place.beginning(most)
    elif directory is None or min(body.size, most) <= HELD_BYTES_MAX:
        yield await asyncio.to_thread(beginning, body, most)
    else:
        name = directory / f"{os.getpid()}-{next(_numbers)}"
        try:
            yield await asyncio.to_thread(_named, body, name, most)
        finally:
            name.unlink(missing_ok=True)


def _named(body: Body, name: Path, most: int) -> InFile:
    place = body.place
    if place is not None and place.offset == 0 and Path(place.path).stat().st_size == body.size:
        os.link(place.path, name, follow_symlinks=False)
        return InFile(str(name), 0, min(body.size, most))
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        left = most
        for piece in body.pieces():
            file.write(piece[:left])
            left -= len(piece[:left])
            if left <= 0:
                break
        return InFile(str(name), 0, most - left)


def beginning(body: Body, most: int) -> bytes:
    """The first octets of a stored message, at most `most`."""
    found: list[bytes] = []
    left = most
    for piece in body.pieces():
        found.append(piece[:left])
        left -= len(found[-1])
        if left <= 0:
            break
    return b"".join(found)
