"""The few header values that rules, logs and reviewers ask for, decoded in one go."""

from pratique.mail.headers import Headers, decode_value, read_headers


def describe(octets: bytes | Headers) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """(subject, from, message id, every field as (name as written, decoded value)) of a message or its head."""
    headers = octets if isinstance(octets, Headers) else read_headers(octets)
    fields, texts = [], {b"": ""}  # each value is decoded once
    for name, raw in headers.fields:
        text = raw.decode("ascii") if raw.isascii() and b"=?" not in raw else decode_value(raw)
        texts[raw] = text
        fields.append((name, text))
    subject, from_header, message_id = (headers.get(name) or b"" for name in ("subject", "from", "message-id"))
    return texts[subject], texts[from_header], texts[message_id], tuple(fields)
