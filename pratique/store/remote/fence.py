"""No store opens while an edge process of an earlier run can still write to a segment it was lent.

The file's lock belongs to the open file, which edges inherit: it is held until the last of them has ended.
"""

import fcntl
import os
import time
from pathlib import Path

from pratique.store.moves import StoreFailed
from pratique.store.segment import make_directory

WAIT_SECONDS = 5.0  # edges die with their custody; this is for the moment between
_STEP_SECONDS = 0.05


class Fence:
    """Held from construction to close(). Raises StoreFailed when edges of an earlier run do not end."""

    def __init__(self, directory: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        make_directory(os.fspath(directory))
        self.fd = os.open(directory / "edges.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + wait_seconds
        while not self._taken():
            if time.monotonic() > deadline:
                os.close(self.fd)
                raise StoreFailed(
                    f"an edge process of an earlier run still has {directory / 'edges.lock'} open; find it with "
                    "`fuser` on that file and end it with `kill -9`",
                    fatal=True,
                )
            time.sleep(_STEP_SECONDS)  # noqa: TID251  before anything runs

    def _taken(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        os.close(self.fd)
