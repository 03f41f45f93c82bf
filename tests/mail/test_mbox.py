"""A message in an mbox is one message, whatever it says."""

import mailbox
from pathlib import Path

import pytest

from pratique.mail import mbox as module
from pratique.mail.mbox import mbox

AT = 1_795_490_000_000
TEXT = b"From: a@b.example\r\nSubject: x\r\n\r\nFrom the beginning\r\n>From quoted\r\nFrom: no separator\r\nend"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_separator_is_the_only_one_and_quoting_can_be_undone(size: int, tmp_path: Path) -> None:
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    octets = b"".join(mbox("a@b.example", AT, pieces))
    assert octets == (
        b"From a@b.example Tue Nov 24 03:13:20 2026\nFrom: a@b.example\nSubject: x\n\n"
        b">From the beginning\n>>From quoted\nFrom: no separator\nend\n\n"
    )
    path = tmp_path / "one.mbox"
    path.write_bytes(octets)
    box = mailbox.mbox(path)
    assert [message["subject"] for message in box] == ["x"]
    box.close()


def test_a_sender_cannot_forge_the_separator_line() -> None:
    first = next(iter(mbox("a b\nFrom c@d", AT, [])))
    assert first == b"From a_b_From_c@d Tue Nov 24 03:13:20 2026\n"
    assert next(iter(mbox("", AT, []))).startswith(b"From MAILER-DAEMON ")


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CARRY_BYTES_MAX", 8)
    pieces = list(mbox("a", AT, [b"From 4567890", b"From 4567890", b"\r\nFrom x\r\n"]))
    assert max(map(len, pieces[1:])) < 30
    assert b"".join(pieces[1:]) == b">From 4567890From 4567890\n>From x\n\n"
