"""A file replaced whole: after a crash it is the former one or the new one, never a part.

Written beside its place and synced, then renamed over it, then the directory is synced. A sync that fails is not tried
again: the file under its name is untouched unless the rename was done already.
"""

import contextlib
import os
from pathlib import Path

MODE = 0o600
NEW = ".new"  # what a crash leaves is overwritten by the next writer


def replace_file(path: Path, text: str) -> None:
    """Durable on return; mode and owner are those of the file before, else 0600. A link is followed. Raises OSError."""
    place = Path(os.path.realpath(path))
    partial = place.with_name(f".{place.name}{NEW}")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _as_before(file.fileno(), place)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, place)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_directory(place.parent)


def remove_file(path: Path) -> bool:
    """Gone, durably; False: it was not there. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_before(descriptor: int, place: Path) -> None:
    try:
        known = place.stat()
    except FileNotFoundError:
        return
    os.fchmod(descriptor, known.st_mode & 0o7777)
    if (known.st_uid, known.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, known.st_uid, known.st_gid)
