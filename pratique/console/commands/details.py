"""Reading one held message: its header, its text made safe, its parts, and one part's content.

A message from outside is hostile: it is read in a thread (the loop goes on), READERS at a time, at most
MESSAGE_BYTES_MAX of it; its HTML loses everything that could load, run or navigate (docs/rest.md, "Messages").
Each reading is audited: the content of mail is nobody's business without a record.
"""

import asyncio
import functools
import html
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import nh3

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.mail.body import PIECE_BYTES
from pratique.mail.decoding import decode_octets
from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts
from pratique.mail.part import Part
from pratique.store.moves import Record
from pratique.store.records import Copy, Hold

MESSAGE_BYTES_MAX = 134_217_728  # more than any listener takes
READERS = 2  # messages in memory at once
BODY_BYTES_MAX = 102_400  # of a text that is shown (docs/rest.md)
HEADER_BYTES_MAX = 102_400
PARTS_SHOWN_MAX = 250
BODY_NAME = "[message body]"
_ENDINGS = {"message/rfc822": "eml", "text/plain": "txt", "text/html": "html", "application/pdf": "pdf"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartInfo:
    number: int  # from 1
    name: str
    encoded_size: int  # octets of the base64 form


@dataclass(frozen=True, slots=True)
class Details:
    copy: Copy
    holds: tuple[Hold, ...]  # those that the person may see
    headers: tuple[str, ...]  # lines as they stand, not escaped
    body: str  # safe HTML
    parts: tuple[PartInfo, ...]
    matched: tuple[tuple[str, str, str], ...]  # (quarantine, part, text)


@dataclass(frozen=True, slots=True)
class Content:
    name: str
    octets: bytes  # decoded


@command("details", Permission.VIEW)
async def details(desk: Desk, person: Person, mid: int) -> Details:
    """One held message with its header, text and parts. Audited as `view`."""
    copy, holds = _held(desk, person, mid)
    await desk.store.submit(Record((audit(person, "view", mid, copy.cid),)))
    headers, body, parts = await _reading(lambda: _read_details(_octets(desk, copy)))
    return Details(copy, holds, headers, body, parts, _matched(holds))


@command("attachment", Permission.VIEW)
async def attachment(desk: Desk, person: Person, mid: int, number: int) -> Content:
    """The decoded content of one part of a held message. Audited as `download`."""
    copy, _ = _held(desk, person, mid)
    found = await _reading(lambda: _read_part(_octets(desk, copy), number))
    if found is None:
        raise CommandRefused(Why.NOT_FOUND, "the message has no such part")
    detail = json.dumps({"part": number, "name": found.name})
    await desk.store.submit(Record((audit(person, "download", mid, copy.cid, detail=detail),)))
    return found


def _held(desk: Desk, person: Person, mid: int) -> tuple[Copy, tuple[Hold, ...]]:
    """Also what the person decided already, as long as others have not: the message is still there."""
    seen = desk.quarantines(person)
    copy = desk.store.view.copy(mid)
    holds = tuple(h for h in desk.store.view.holds(mid) if h.quarantine in seen)
    if copy is None or not holds or copy.custody != "HELD" or copy.extent is None:
        raise CommandRefused(Why.NOT_FOUND, "no such message is held")
    return copy, holds


def _matched(holds: tuple[Hold, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (hold.quarantine, str(entry.get("part", "")), str(entry.get("text", "")))
        for hold in holds
        for entry in json.loads(hold.matched)
    )


# --- in a thread ------------------------------------------------------------------------------------------------
@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(READERS, thread_name_prefix="reading")


async def _reading(call: Callable[[], T]) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool(), call)
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, "the message cannot be read from the disk; the log says why") from error


def _octets(desk: Desk, copy: Copy) -> bytes:
    assert copy.extent is not None
    spool, size = desk.store.spool, min(copy.size, MESSAGE_BYTES_MAX)
    starts = range(0, size, PIECE_BYTES)
    return b"".join(spool.read(copy.extent, start, min(PIECE_BYTES, size - start)) for start in starts)


def _read_details(octets: bytes) -> tuple[tuple[str, ...], str, tuple[PartInfo, ...]]:
    headers = read_headers(octets)
    parts = read_parts(octets, headers).parts
    body_at = body_index(parts)
    lines = decode_octets(octets[: min(headers.body_start, HEADER_BYTES_MAX)], "").rstrip("\r\n").split("\r\n")
    body = "" if body_at < 0 else shown_body(parts[body_at])
    infos = tuple(
        PartInfo(at + 1, name_of(part, is_body=at == body_at), base64_size(part))
        for at, part in enumerate(parts[:PARTS_SHOWN_MAX])
    )
    return tuple(lines), body, infos


def _read_part(octets: bytes, number: int) -> Content | None:
    parts = read_parts(octets, read_headers(octets)).parts
    if not 1 <= number <= len(parts):
        return None
    part = parts[number - 1]
    return Content(file_name_of(part), part.decoded(MESSAGE_BYTES_MAX))


def body_index(parts: tuple[Part, ...]) -> int:
    """Which part a reader would show: the first HTML text, else the first text; -1 = none."""
    texts = [
        (part.mime_type != "text/html", at)
        for at, part in enumerate(parts)
        if not part.view and not part.filename and part.disposition != "attachment" and _is_text(part)
    ]
    return min(texts)[1] if texts else -1


def _is_text(part: Part) -> bool:
    return part.mime_type in ("text/html", "text/plain", "text/enriched")


def name_of(part: Part, *, is_body: bool) -> str:
    if is_body:
        return BODY_NAME
    return part.filename or f"[part {part.path}: {part.mime_type}]"


def file_name_of(part: Part) -> str:
    """What a download is called: a part without a name gets one that a system opens with the right program."""
    return part.filename or f"part-{part.path}.{_ENDINGS.get(part.mime_type, 'bin')}"


def base64_size(part: Part) -> int:
    """What the part takes as one line of base64, as far as that can be known without decoding it."""
    if part.encoding == "base64":
        return part.encoded_size - part.raw.count(b"\n") - part.raw.count(b"\r")
    if part.encoding in ("quoted-printable", "x-uuencode"):
        return 4 * -(-len(part.decoded(MESSAGE_BYTES_MAX)) // 3)
    return 4 * -(-part.encoded_size // 3)


# --- what a reviewer's browser or script gets to see ------------------------------------------------------------
_TAG_NAMES = """
a abbr b big blockquote br caption center cite code col colgroup dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i ins kbd li
ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var
"""
_DROPPED_NAMES = """
script style title noscript template svg math iframe frame frameset object embed applet select textarea audio video
canvas noembed noframes xmp plaintext
"""
_TAGS = set(_TAG_NAMES.split())
_DROPPED_WHOLE = set(_DROPPED_NAMES.split())
_ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "a": {"href"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_LINK = re.compile(r'<a(?: href="([^"]*)")?>')  # as the cleaner writes it, with no attribute but this


def shown_body(part: Part) -> str:
    """The part's text as HTML that loads nothing, runs nothing and leads nowhere; links show where they would lead."""
    text = part.text(BODY_BYTES_MAX)
    if part.mime_type == "text/html":
        return safe_html(text)
    return html.escape(text.replace("\r\n", "\n")).replace("\n", "<br>")


def safe_html(text: str) -> str:
    cleaned = nh3.clean(
        text,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "ftp"},
        generic_attribute_prefixes=set(),
        link_rel=None,
        strip_comments=True,
    )
    shown = _LINK.sub(_as_text, cleaned).replace("</a>", "</u>")
    return shown if "<a " not in shown else html.escape(text)  # the cleaner wrote what we do not know: show the source


def _as_text(match: re.Match[str]) -> str:
    target = html.unescape(match[1] or "")
    return f"[{html.escape(target)}] <u>" if target else "<u>"
