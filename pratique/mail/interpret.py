"""The few header values that rules, logs and reviewers ask for, decoded in one go."""

from pratique.mail.headers import Headers, decode_value, read_headers


def describe(octets: bytes | Headers) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """(subject, from, message id, every field as (name as written, decoded value)) of a message or its head."""
    headers = octets if isinstance(octets, Headers) else read_headers(octets)
    decoded = tuple((name, decode_value(raw)) for name, raw in headers.fields)
    return (
        decode_value(headers.get("subject") or b""),
        decode_value(headers.get("from") or b""),
        decode_value(headers.get("message-id") or b""),
        decoded,
    )
