"""One log file on disk: `NAME.current`, rolled over by size to `NAME.@YYYYMMDDThhmmss.s`.

The time in the name is that of the rollover, in UTC.

Not here: what a line looks like (mail_log.py, json_log.py) and when to write (the caller's ticker). Invariants:

* a write that fails drops its lines and counts them; it never raises, because a full log disk must not stop mail;
* whole lines only: after a torn write the next one starts on a line of its own;
* several processes may append to one file: each write is one O_APPEND write, and only the process that holds the lock
  of the file that is still called `NAME.current` renames it.
"""

import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pratique.telemetry.settings import LogSettings

ROLLOVER_BYTES = 104_857_600  # 100 MiB: 20 s of a gateway at full load, a month of a small one
KEEP_FILES = 10  # rolled files kept beside the current one: a log takes 1.1 GiB at most
FILE_MODE = 0o640  # the operators' group may read; addresses and subjects are nobody else's business
DIRECTORY_MODE = 0o750

_STAMP = "%Y%m%dT%H%M%S"
_STAMP_GLOB = "[0-9]" * 8 + "T" + "[0-9]" * 6


class LogFile:
    """`header(now_ms)` gives the lines that begin each file."""

    def __init__(
        self, directory: Path, name: str, *, header: Callable[[int], bytes], rollover_bytes: int, keep_files: int
    ) -> None:
        self._directory = directory
        self._name = name
        self._current = directory / f"{name}.current"
        self._header = header
        self._rollover_bytes = rollover_bytes
        self._keep_files = keep_files
        self._fd = -1
        self._torn = False
        self._why = ""
        self.lost = 0  # lines dropped since the last report

    def write(self, data: bytes, *, lines: int, now_ms: int) -> bool:
        """Append `data`; False when it was dropped."""
        try:
            size = self._ready(now_ms)
            if size and size + len(data) > self._rollover_bytes:
                self._roll(now_ms)
                self._ready(now_ms)
            self._write(b"\n" + data if self._torn else data)
        except (OSError, ValueError) as error:  # ValueError: a rolled file was given a name that is no date
            self.lost += lines
            self._why = str(error)
            return False
        return True

    def use(self, settings: LogSettings) -> None:
        """From the next line on."""
        self._rollover_bytes = settings.rollover_bytes
        self._keep_files = settings.keep_files

    def roll_over(self, now_ms: int) -> None:
        """Now, whatever its size. Raises OSError."""
        if self._ready(now_ms):
            self._roll(now_ms)
        self._ready(now_ms)

    def report(self) -> str:
        """What an operator must know once writing works again: that lines were lost, and why. "" = nothing."""
        if not self.lost:
            return ""
        text = f"log {self._current.name}: {self.lost} lines lost ({self._why}), writing again"
        self.lost = 0
        return text

    def close(self) -> None:
        """Let the file go. The next write opens NAME.current anew, so this also serves logrotate and SIGHUP."""
        fd, self._fd, self._torn = self._fd, -1, False
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:  # a network file system reports here that it could not write back
                self.lost += 1
                self._why = str(error)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # once, but for a disk that is nearly full: it takes a part, and the next try names the error
            written = os.write(self._fd, view)
            self._torn = view[written - 1] != 0x0A
            view = view[written:]

    def _ready(self, now_ms: int) -> int:
        """Hold an open file that is called NAME.current; its size."""
        if self._fd >= 0:
            mine = os.fstat(self._fd)
            try:
                named = self._current.stat()
            except FileNotFoundError:
                named = None
            if named is not None and os.path.samestat(named, mine):
                return mine.st_size
            self.close()
        return self._open(now_ms)

    def _open(self, now_ms: int) -> int:
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._fd = os.open(self._current, flags, FILE_MODE)
        size = os.fstat(self._fd).st_size
        if not size:
            os.fchmod(self._fd, FILE_MODE)  # whatever the umask
            if header := self._header(now_ms):
                self._write(header)
        elif os.pread(self._fd, 1, size - 1) != b"\n":  # the process before us died in the middle of a write
            self._torn = True
        return size

    def _roll(self, now_ms: int) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # released by close()
        try:
            if os.path.samestat(os.fstat(self._fd), self._current.stat()):  # else another process rolled it already
                self._current.rename(self._next_name(now_ms))
                self._prune()
        finally:
            self.close()

    def _rolled(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._directory.glob(f"{self._name}.@{_STAMP_GLOB}.s"))

    def _next_name(self, now_ms: int) -> Path:
        """Later than every name there is: two rollovers in a second, or a clock set back, keep the order."""
        name = f"{self._name}.@{datetime.fromtimestamp(now_ms // 1000, UTC):{_STAMP}}.s"
        rolled = self._rolled()
        if rolled and rolled[-1].name >= name:
            last = datetime.strptime(rolled[-1].name, f"{self._name}.@{_STAMP}.s").replace(tzinfo=UTC)
            name = f"{self._name}.@{last + timedelta(seconds=1):{_STAMP}}.s"
        return self._directory / name

    def _prune(self) -> None:
        rolled = self._rolled()
        for path in rolled[: max(0, len(rolled) - self._keep_files)]:
            path.unlink(missing_ok=True)
