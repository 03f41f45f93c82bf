"""Sample mail for the demo: some that passes, some that is held, and a harmless test virus."""

from base64 import b64encode
from zlib import crc32

from pratique.checks.yara_rules import eicar


def samples() -> list[tuple[str, bytes]]:
    """(what it shows, message with CRLF line ends)."""
    return [
        ("passes", _message("Lunch on Friday", "Shall we meet at noon?")),
        ("held by the filter hold_confidential", _message("Confidential: figures of the quarter", "Not to leave.")),
        ("held by the filter hold_programs", _with_attachment("Your invoice", "invoice.exe", b"MZ, but not really")),
        ("held as a virus (the EICAR test file)", _with_attachment("Holiday pictures", "pictures.bin", eicar())),
        ("held by an outbreak rule", _message("URGENT wire transfer", "Please pay at once. outbreak-demo")),
    ]


FILTERS = """\
hold_confidential: if (subject == "(?i)^confidential") { quarantine("Policy"); }
hold_programs: if (attachment-filename == "(?i)\\\\.(exe|js|scr)$") { quarantine("Policy"); log-entry("$FilterName"); }
"""
HOLD_ALL = 'hold_all: if (true) { quarantine("Policy"); }\n'
OUTBREAK = {
    "id": "demo-1",
    "level": 4,
    "condition": 'body-contains("outbreak-demo")',
    "description": "A made-up outbreak, to show the Outbreak quarantine",
}


def _head(subject: str) -> list[str]:
    return [
        "From: Sender <sender@partner.example>",
        "To: Reader <reader@demo.example>",
        f"Subject: {subject}",
        f"Message-ID: <{crc32(subject.encode()):x}@partner.example>",
        "MIME-Version: 1.0",
    ]


def _message(subject: str, text: str) -> bytes:
    lines = [*_head(subject), "Content-Type: text/plain; charset=utf-8", "", text, ""]
    return "\r\n".join(lines).encode()


def _with_attachment(subject: str, name: str, content: bytes) -> bytes:
    lines = [
        *_head(subject),
        'Content-Type: multipart/mixed; boundary="=_demo"',
        "",
        "--=_demo",
        "Content-Type: text/plain",
        "",
        "See the attachment.",
        "--=_demo",
        f'Content-Type: application/octet-stream; name="{name}"',
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{name}"',
        "",
        b64encode(content).decode(),
        "--=_demo--",
        "",
    ]
    return "\r\n".join(lines).encode()
