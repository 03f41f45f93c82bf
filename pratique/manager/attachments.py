"""The names and sizes of a held message's parts, as the list of reviewers and searches shows them."""

import json

from pratique.mail.headers import Headers
from pratique.mail.mime import read_parts

LIST_MAX = 100  # names kept for search; the details read the message itself


def list_attachments(octets: bytes, headers: Headers) -> str:
    """JSON [[name, octets of the base64 form], ...]; "[]" for the usual single-part text."""
    content_type = headers.get("content-type")
    kind = (content_type or b"").lower()
    if b"multipart" not in kind and b"name" not in kind and headers.get("content-disposition") is None:
        return "[]"
    parts = read_parts(octets, headers).parts
    named = [(p.filename, p.encoded_size) for p in parts if p.filename][:LIST_MAX]
    return json.dumps(named) if named else "[]"
