"""The mail log over syslog: every line as one datagram, `<pri>Mmm dd hh:mm:ss HOST mail_logs: Level: text`, beside the
files (the mail-log contract; RFC 3164 section 4). UDP: nothing waits for a collector, and nothing is sent twice.
"""

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

from pratique.telemetry.event import Event
from pratique.telemetry.settings import LOCALS

PORT = 514
FACILITIES = {"mail": 2} | {name: 16 + number for number, name in enumerate(LOCALS)}
SEVERITIES = {"Critical": 2, "Warning": 4, "Info": 6, "Debug": 7, "Trace": 7}
LINE_BYTES_MAX = 8_192  # of a datagram; what collectors take by default, and more than a line has
REPORT_MS = 600_000  # a collector that is away is said so often, not with every line

MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def place_of(text: str) -> tuple[str, int]:
    """`192.0.2.10`, `192.0.2.10:514`, `2001:db8::10` or `[2001:db8::10]:514`. Raises ValueError."""
    host, port = text, str(PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise ValueError(f"{port!r} is no port")
    return str(ip_address(host)), int(port)


class Syslog:
    """`place`: as place_of() reads it. Raises ValueError, OSError."""

    def __init__(self, place: str, *, facility: str, host: str) -> None:
        address, port = place_of(place)
        self._place = place
        self._facility = FACILITIES[facility] * 8
        self._host = host
        self._lost = 0
        self._said_at = -REPORT_MS
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect((address, port))
        except OSError:
            self._socket.close()
            raise

    def send(self, batch: Sequence[tuple[Event, int]]) -> str:
        """Events with their times in ms. What to report, "" = nothing. Never blocks, never raises."""
        why = ""
        for event, at in batch:
            try:
                self._socket.send(self._line(event, at))
            except (OSError, AttributeError, TypeError, ValueError) as error:  # the files say what an event lacks
                self._lost += 1
                why = str(error)
        if not why or batch[-1][1] - self._said_at < REPORT_MS:
            return ""
        lost, self._lost, self._said_at = self._lost, 0, batch[-1][1]
        return f"syslog: {lost} lines could not be sent to {self._place} ({why}); they are in the log's files"

    def close(self) -> None:
        self._socket.close()

    def _line(self, event: Event, at: int) -> bytes:
        when, priority = datetime.fromtimestamp(at // 1_000, UTC), self._facility + SEVERITIES[event.level]
        head = f"<{priority}>{MONTHS[when.month]} {when.day:2} {when:%H:%M:%S} {self._host}"
        text = event.text().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{head} mail_logs: {event.level}: {text}".encode("utf-8", "backslashreplace")
        return line if len(line) <= LINE_BYTES_MAX else line[:LINE_BYTES_MAX].decode("utf-8", "ignore").encode()
