"""From a request's query text and JSON body to typed values, and the exact refusals when that fails.

Lenient where clients are known to differ (docs/rest.md): dates and commas literal or encoded, a name as text
or in a one-element list, numbers as text. Strict on what would be ignored silently: an unknown attribute is refused.
Pure: nothing here reads a socket or a store.
"""

import datetime
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from pratique.console.rest.errors import RestError

BODY_BYTES_MAX = 1_048_576  # ten thousand mids need 200 KB
URI_BYTES_MAX = 16_384  # 500 quarantine names fit
QUERY_FIELDS_MAX = 100
VALUE_CHARS_MAX = 4_000
LIST_MAX = 10_000
NUMBER_BEYOND = 1 << 63

_NUMBER = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+ ]00:?00)?\Z", re.ASCII
)


class Query:
    """The attributes of a request's query, each taken once; `done()` refuses what was not asked for."""

    def __init__(self, text: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX, errors="replace")
        except ValueError as error:
            raise RestError(400, "Too many attributes.") from error
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if len(value) > VALUE_CHARS_MAX and name != "quarantines":
                raise RestError(400, f"Value too long - {shown(name)}.")
            self._values[name] = f"{self._values[name]},{value}" if name in self._values else value
        self._left = set(self._values)

    def text(self, name: str, default: str = "") -> str:
        self._left.discard(name)
        return self._values.get(name, default).strip()

    def names(self, name: str) -> tuple[str, ...]:
        """A comma list."""
        found = (part.strip() for part in self.text(name).split(","))
        return tuple(dict.fromkeys(part for part in found if part))

    def number(self, name: str, default: int | None = None) -> int:
        text = self.text(name)
        if not text and default is not None:
            return default
        if not _NUMBER.match(text):
            raise RestError(400, f"Invalid value for {name}: a number is needed.")
        return int(text)

    def choice(self, name: str, choices: Iterable[str], default: str = "") -> str:
        text = self.text(name, default)
        allowed = tuple(choices)
        if text not in allowed and text != default:
            raise RestError(400, f"Invalid value for {name}: it must be one of {', '.join(allowed)}.")
        return text

    def minute(self, name: str) -> int | None:
        """A date as ms since 1970, its seconds cut off; None when absent."""
        text = self.text(name)
        return _minute(name, text) if text else None

    def done(self) -> None:
        """Raises RestError when there are attributes that nobody asked for."""
        if self._left:
            raise RestError(404, f"Unexpected attribute - {shown(min(self._left))}.")


def _minute(name: str, text: str) -> int:
    match = _DATE.match(text)
    try:
        if match is None:
            raise ValueError(text)
        year, month, day, hour, minute = (int(group) for group in match.groups()[:5])
        when = datetime.datetime(year, month, day, hour, minute, tzinfo=datetime.UTC)
    except ValueError as error:
        raise RestError(400, f"Invalid value for {name}: the form is YYYY-MM-DDThh:mm:00.000Z.") from error
    return max(0, int(when.timestamp()) * 1_000)


def shown(name: str) -> str:
    """A client's own word in an answer: printable, short."""
    return "".join(c if c.isprintable() else "?" for c in name[:60])


def json_object(octets: bytes) -> dict[str, Any]:
    """The body of a request, whatever its Content-Type says. Raises RestError."""
    try:
        found = json.loads(octets.decode("utf-8-sig"), parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is in no text that we keep
    except (ValueError, RecursionError) as error:
        raise RestError(400, "The body is not valid JSON.") from error
    if not isinstance(found, dict):
        raise RestError(400, "The body must be a JSON object.")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def need_text(body: dict[str, Any], name: str) -> str:
    """A text, or a list of one text."""
    value = body.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or not value.strip():
        raise RestError(400, f"{name} is missing or is not a text.")
    if len(value) > VALUE_CHARS_MAX:
        raise RestError(400, f"Value too long - {name}.")
    return value.strip()


def need_texts(body: dict[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name)
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or len(found) > LIST_MAX or not all(isinstance(v, str) for v in found):
        raise RestError(400, f"{name} is missing or is not a list of texts.")
    return tuple(found)


def need_mids(body: dict[str, Any]) -> tuple[int, ...]:
    """`mids`: numbers, or texts that are numbers; one alone need not stand in a list."""
    value = body.get("mids")
    found = value if isinstance(value, list) else [value]
    if not found or len(found) > LIST_MAX:
        raise RestError(400, f"mids must list 1 to {LIST_MAX} numbers.")
    return tuple(_mid(entry) for entry in found)


def _mid(entry: object) -> int:
    if isinstance(entry, int) and not isinstance(entry, bool):
        return entry if abs(entry) < NUMBER_BEYOND else 0  # no message has either
    if isinstance(entry, str) and _NUMBER.match(entry):
        return int(entry)
    raise RestError(400, "mids must be a list of numbers.")


def only(body: dict[str, Any], *names: str) -> None:
    """Refuses what would be ignored."""
    left = body.keys() - set(names)
    if left:
        raise RestError(404, f"Unexpected attribute - {shown(min(left))}.")
