"""The log read back: which files there are, and what events their JSON lines were.

Invariant: an event that is read back gives the line that it gave when it was written.
"""

import functools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Union

import msgspec

from pratique.telemetry import events
from pratique.telemetry.event import Event
from pratique.telemetry.mail_log import TextFormat

_ROLLED = re.compile(r"@\d{8}T\d{6}\.s")


def log_files(directory: Path, stem: str) -> list[Path]:
    """The files of one log, the oldest first, the current one last."""
    rolled = [p for p in directory.glob(f"{stem}.@*.s") if _ROLLED.fullmatch(p.name.removeprefix(f"{stem}."))]
    current = directory / f"{stem}.current"
    return [*sorted(rolled), *([current] if current.exists() else [])]


class _When(msgspec.Struct):
    at: datetime


@functools.cache
def _decoders() -> tuple[Any, Any]:
    classes = [c for c in vars(events).values() if isinstance(c, type) and issubclass(c, Event) and c is not Event]
    return msgspec.json.Decoder(Union[tuple(classes)]), msgspec.json.Decoder(_When)  # noqa: UP007 - made at run time


def read_event(line: bytes) -> tuple[Event, int] | None:
    """The event of a JSON line and its time in ms; None for a line that is none of this version's."""
    of_event, of_time = _decoders()
    try:
        return of_event.decode(line), round(of_time.decode(line).at.astimezone(UTC).timestamp() * 1_000)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def as_text(found: list[tuple[Event, int]]) -> str:
    """The lines that the mail log has for these events, without the last line end."""
    return TextFormat().lines(found).decode("utf-8", "replace").rstrip("\n")
