"""The archive of an appliance: messages that a person saved, one file each, for its own user alone."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "archive"


@dataclass(frozen=True, slots=True)
class FileArchive:
    directory: Path  # of the appliance

    def keep(self, name: str, pieces: Iterable[bytes]) -> Path:
        """A new file, whole and synced, or none. Raises OSError (FileExistsError: it is kept already)."""
        folder = self.directory / DIRECTORY
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        if path.exists():
            raise FileExistsError(errno.EEXIST, f"{path} is there already")
        descriptor, partial = tempfile.mkstemp(suffix=".part", dir=folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, path)  # never over a file that came meanwhile
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
        return path
