"""The mail log: events in, `mail.current` and its JSON twin out (the mail-log contract, to the letter).

`emit` appends and does nothing else, so that a session never waits for a line; `flush` formats what has gathered and
writes each file once. The caller's ticker calls it at most every 0.5 s and with each batch, so no line is more than
1 s late. Files, rollover and failing disks are sink.py's; what an event says is events.py's.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pratique.telemetry.counters import Counters
from pratique.telemetry.events import Event, Fault, Note
from pratique.telemetry.json_log import JsonFormat
from pratique.telemetry.settings import LogSettings
from pratique.telemetry.sink import KEEP_FILES, ROLLOVER_BYTES, LogFile
from pratique.telemetry.syslog import MONTHS, Syslog

QUEUED_EVENTS_MAX = 100_000  # about 50 MB: a ticker that stalls cannot fill the memory

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SERIAL = re.compile(r"\S{20}")

Batch = Sequence[tuple[Event, int]]


class TextFormat:
    """`Www Mmm dd hh:mm:ss yyyy Level: text`, in UTC, English whatever the locale."""

    def __init__(self) -> None:
        self._second = -1
        self._stamp = ""

    def lines(self, batch: Batch) -> bytes:
        rows = []
        for event, at in batch:
            if at // 1000 != self._second:
                self._stamp_of(at // 1000)
            rows.append(f"{self._stamp} {event.level}: {event.text()}\n")
        text = "".join(rows)
        if text.count("\n") != len(rows) or "\r" in text:  # a name out of the configuration held a line break
            text = "".join([row[:-1].replace("\n", "\\n").replace("\r", "\\r") + "\n" for row in rows])
        return text.encode("utf-8", "backslashreplace")

    def _stamp_of(self, second: int) -> None:
        when = datetime.fromtimestamp(second, UTC)
        self._second = second
        self._stamp = f"{_DAYS[when.weekday()]} {MONTHS[when.month]} {when:%d %H:%M:%S} {when.year:04d}"


class MailLog:
    """A Telemetry that writes to `directory`. `version` is X.Y.Z-NNN; `clock` gives ms since 1970 UTC."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        version: str,
        serial: str,
        clock: Callable[[], int],
        host: str = "",
        counters: Counters | None = None,
        rollover_bytes: int = ROLLOVER_BYTES,
        keep_files: int = KEEP_FILES,
        json: bool = True,
        debug: bool = False,
        lag_ms: int = 0,
    ) -> None:
        """`lag_ms`: lines are written so much later, so that those of other processes, which come first in a message's
        life, stand before them."""
        if not _SERIAL.fullmatch(serial):
            raise ValueError(
                f"serial number {serial!r}: 20 characters without a space, readers of the header rely on it"
            )
        self._clock = clock
        self._lag_ms = lag_ms
        self._debug = debug
        self._counters = counters
        self._queue: list[tuple[Event, int]] = []
        self._texts = TextFormat()
        self.hearers: list[Callable[[Batch], None]] = []  # told of what was written; none may block or raise
        self._host = host or os.uname().nodename
        self._syslog: Syslog | None = None
        self._syslog_wanted = ("", "")
        self._begin = (
            Note(message="Begin Logfile"),
            Note(message=f"Version: {version} SN: {serial}"),
            Note(message="Time offset from UTC: 0 seconds"),
        )
        self.directory = where = Path(directory)
        limits = {"rollover_bytes": rollover_bytes, "keep_files": keep_files}
        self._outputs = [(self._texts.lines, LogFile(where, "mail", header=self._header, **limits))]
        if json:
            make = JsonFormat(self._host).lines
            self._outputs.append((make, LogFile(where, "mail.json", header=lambda _: b"", **limits)))

    def emit(self, event: Event) -> None:
        """Queue one event; written with the next flush. Never blocks (but for a full queue), never raises. Debug lines
        are nobody's business unless they were asked for."""
        if event.level == "Debug" and not self._debug:
            return
        self._queue.append((event, self._clock()))
        if len(self._queue) > QUEUED_EVENTS_MAX:
            self._flush(0)

    def flush(self) -> None:
        """Write what is queued, one write for each file. Lines that a file does not take are counted and dropped."""
        self._flush(self._lag_ms)

    def _flush(self, lag_ms: int) -> None:
        batch, self._queue = self._queue, []
        if lag_ms:
            until = self._clock() - lag_ms
            ripe = bisect_right(batch, until, key=lambda queued: queued[1])
            batch, self._queue = batch[:ripe], batch[ripe:]
        if not batch:
            return
        now_ms = batch[0][1]  # a header stands before its first line, in time too
        for make, file in self._outputs:
            if file.write(_lines(make, batch), lines=len(batch), now_ms=now_ms) and (report := file.report()):
                self.emit(Fault(error=report))
        if self._syslog is not None and (report := self._syslog.send(batch)):
            self.emit(Fault(error=report))
        if self._counters is not None:
            self._counters.count(batch)
        for hear in self.hearers:
            hear(batch)

    def reopen(self) -> None:
        """After logrotate or SIGHUP: go on in files of the proper names."""
        self._flush(0)
        for _, file in self._outputs:
            file.close()

    def use(self, settings: LogSettings) -> None:
        """Size and number of the files, whether Debug lines are written, and the syslog server, from now on."""
        self._debug = settings.debug
        self._use_syslog(settings.syslog, settings.syslog_facility)
        for _, file in self._outputs:
            file.use(settings)

    def _use_syslog(self, place: str, facility: str) -> None:
        if self._syslog_wanted == (place, facility):
            return
        self._syslog_wanted = (place, facility)
        if self._syslog is not None:
            self._syslog.close()
            self._syslog = None
        try:
            self._syslog = Syslog(place, facility=facility, host=self._host) if place else None
        except (OSError, ValueError) as error:
            self.emit(Fault(error=f"log.syslog {place!a}: {error}; no line goes there until it is corrected"))

    def roll_over(self) -> None:
        """What is queued is written first; then each file gets its dated name and a new one begins. Raises OSError."""
        self._flush(0)
        for _, file in self._outputs:
            file.roll_over(self._clock())

    def close(self) -> None:
        self._flush(0)
        self.reopen()  # flushes again, for what the first flush had to report
        if self._syslog is not None:
            self._syslog.close()

    @property
    def lost(self) -> int:
        """Lines that could not be written and are not yet reported."""
        return sum(file.lost for _, file in self._outputs)

    def _header(self, now_ms: int) -> bytes:
        return self._texts.lines([(note, now_ms) for note in self._begin])


def _lines(make: Callable[[Batch], bytes], batch: Batch) -> bytes:
    """An event with a field of the wrong type is our bug; it must not take the lines of others with it."""
    try:
        return make(batch)
    except (AttributeError, TypeError, ValueError):
        return b"".join([_line(make, event, at) for event, at in batch])


def _line(make: Callable[[Batch], bytes], event: Event, at: int) -> bytes:
    try:
        return make([(event, at)])
    except (AttributeError, TypeError, ValueError) as error:
        return make([(Fault(error=f"mail log: {type(event).__name__} has no line ({error}), report this bug"), at)])
