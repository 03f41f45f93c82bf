"""One message: its details, and one of its parts as a download (docs/rest.md, "Messages")."""

import base64
import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pratique.console.commands import details as reading
from pratique.console.commands.details import Content, Details, PartInfo
from pratique.console.rest import shapes
from pratique.console.rest.messages import check_type
from pratique.console.rest.request import Answer, Call, answer

PIECE_BYTES = 3 * 65_536  # a multiple of three: base64 of the pieces joins without padding
NAME_CHARS_MAX = 150
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._()\[\]@+-]")


async def get_details(call: Call) -> Answer:
    """Read a message."""
    person = await call.person()
    check_type(call.query)
    mid = call.query.number("mid")
    call.query.done()
    return answer({"data": details(await reading.details(call.desk, person, mid))})


def details(found: Details) -> dict[str, Any]:
    copy = found.copy
    return {
        "mid": copy.mid,
        "attributes": {
            "headers": "<br>".join(html.escape(line) for line in found.headers),
            "messageBody": found.body,
            "matchedContents": [
                {"quarantineName": quarantine, "part": part, "text": text} for quarantine, part, text in found.matched
            ],
            "messageDetails": {
                "recipient": [r.address for r in copy.envelope.recipients],
                "sender": copy.envelope.sender,
                "subject": copy.subject,
            },
            "messagePartDetails": [_part(part) for part in found.parts],
            "quarantineDetails": [
                {
                    "esaHostName": copy.origin_host,
                    "originatingEsaIp": copy.origin_ip,
                    "quarantineName": hold.quarantine,
                    "reason": list(hold.reasons) or ["unknown"],
                    "received": shapes.date(hold.received),
                    "scheduledExit": shapes.date(hold.exit_at),
                }
                for hold in found.holds
            ],
        },
    }


def _part(part: PartInfo) -> dict[str, Any]:
    return {
        "attachmentId": part.number,
        "attachmentName": part.name,
        "attachmentSize": shapes.size(part.encoded_size),
    }


async def get_attachment(call: Call) -> Answer:
    """Download a part, as base64 text."""
    person = await call.person()
    check_type(call.query)
    mid, number = call.query.number("mid"), call.query.number("attachmentId")
    call.query.done()
    found = await reading.attachment(call.desk, person, mid, number)
    headers = {"content-disposition": disposition(found.name)}
    return Answer(200, _base64(found), headers, media_type="application/octet-stream")


def _base64(found: Content) -> Iterator[bytes]:
    for start in range(0, len(found.octets), PIECE_BYTES):
        yield base64.b64encode(found.octets[start : start + PIECE_BYTES])


def disposition(name: str) -> str:
    """A file's name from hostile mail, as a header: no path, no quote, no control (RFC 6266 §4.3).

    `filename` stands last, where simple clients look for it; the full name precedes it where it differs.
    """
    base = name.replace("\\", "/").rpartition("/")[2][:NAME_CHARS_MAX].strip(" .") or "attachment"
    plain = _UNSAFE.sub("_", base)
    if plain == base:
        return f'attachment; filename="{plain}"'
    full = quote(base.encode("utf-8", "replace"), safe="")
    return f"attachment; filename*=UTF-8''{full}; filename=\"{plain}\""
