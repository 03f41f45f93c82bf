"""What the scanner answers for a whole message."""

import base64
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.checks import held, virus_worker
from pratique.checks.virus_worker import Worker
from pratique.checks.yara_rules import compile_rules, eicar
from pratique.mail.body import InFile

EICAR = eicar()
FOUND = ("infected", "EICAR-AV-Test")
CLEAN = ("clean", "")
WORKER = Worker(compile_rules([]).octets)


def zipped(data: bytes, times: int = 1, name: str = "a") -> bytes:
    for _ in range(times):
        into = io.BytesIO()
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        data = into.getvalue()
    return data


def tarred(data: bytes) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return into.getvalue()


def mail(attachment: bytes, mime_type: str = "application/octet-stream") -> bytes:
    text = base64.encodebytes(attachment).replace(b"\n", b"\r\n")
    return (
        b'From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--x\r\nContent-Type: "
        + mime_type.encode()
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + text
        + b"\r\n--x--\r\n"
    )


HIDDEN = pytest.mark.parametrize(
    "octets",
    [
        b"From: a@b.example\r\n\r\n" + EICAR + b"\r\n",
        mail(EICAR),
        mail(zipped(EICAR)),
        mail(zipped(EICAR, 4)),
        mail(gzip.compress(tarred(EICAR))),
        mail(tarred(zipped(EICAR))),
        mail(zipped(mail(EICAR))),
        mail(zipped(mail(zipped(EICAR)))),
        mail(mail(zipped(EICAR)), "message/rfc822"),
        mail(zipped(b"x" * 100) + EICAR),
    ],
    ids=[
        "body",
        "base64",
        "zip",
        "zip-in-zip-4",
        "tar.gz",
        "zip-in-tar",
        "mail-in-zip",
        "zip-in-mail-in-zip",
        "forwarded",
        "behind-a-zip",
    ],
)


@HIDDEN
def test_test_file_is_found_wherever_it_hides(octets: bytes) -> None:
    assert WORKER.scan(octets) == FOUND


@HIDDEN
def test_it_is_found_as_well_where_nothing_is_kept_in_memory(
    octets: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "HELD_BYTES_MAX", 10)
    worker = Worker(compile_rules([]).octets, scratch=str(tmp_path))
    (tmp_path / "own.seg").write_bytes(octets)
    (tmp_path / "shared.seg").write_bytes(b"another body" + octets + EICAR)
    assert worker.read_and_scan(InFile(str(tmp_path / "own.seg"), 0, len(octets))) == FOUND
    assert worker.read_and_scan(InFile(str(tmp_path / "shared.seg"), 12, len(octets))) == FOUND
    clean = worker.read_and_scan(InFile(str(tmp_path / "shared.seg"), 0, 12))
    assert clean == CLEAN
    assert {path.name for path in tmp_path.iterdir()} == {"own.seg", "shared.seg"}


HARMLESS = [b"", b"x", b"From: a@b.example\r\n\r\nhello\r\n", mail(zipped(b"fine " * 99, 4)), mail(os.urandom(5000))]


@pytest.mark.parametrize("octets", HARMLESS)
def test_harmless_mail_is_clean(octets: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WORKER.scan(octets) == CLEAN
    monkeypatch.setattr(held, "HELD_BYTES_MAX", 10)
    (tmp_path / "own.seg").write_bytes(octets)
    assert WORKER.read_and_scan(InFile(str(tmp_path / "own.seg"), 0, len(octets))) == CLEAN


def test_our_disk_s_trouble_is_not_the_message_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, why = WORKER.read_and_scan(InFile(str(tmp_path / "gone.seg"), 0, 10))
    assert (result, "No such file" in why) == ("unknown", True)
    monkeypatch.setattr(held, "HELD_BYTES_MAX", 10)
    worker = Worker(compile_rules([]).octets, scratch=str(tmp_path / "no such directory"))
    assert worker.read_and_scan(mail(EICAR))[0] == "unknown"


def test_a_rule_sees_a_large_content_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two marks far from each other, one condition: what a scan by windows would miss."""
    monkeypatch.setattr(held, "HELD_BYTES_MAX", 1_000)
    (tmp_path / "two.yar").write_text('rule two { strings: $a = "first" $b = "second" condition: @b - @a > 3000000 }')
    worker = Worker(compile_rules([tmp_path / "two.yar"]).octets, scratch=str(tmp_path))
    assert worker.scan(mail(b"first" + b"\0" * 4_000_000 + b"second")) == ("infected", "two")
    assert worker.scan(mail(b"first" + b"\0" * 2_000_000 + b"second")) == CLEAN


def test_archives_deeper_than_we_look_are_not_called_clean() -> None:
    result, why = WORKER.scan(mail(zipped(EICAR, 5)))
    assert (result, "archives in each other" in why) == ("unscannable", True)


def test_endless_mail_in_mail_in_an_archive_ends() -> None:
    result, _ = WORKER.scan(mail(zipped(b"Content-Type: text/plain\r\n\r\n" * 5000)))
    assert result == "unscannable"


def test_encrypted_archive() -> None:
    data = bytearray(zipped(b"x"))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert WORKER.scan(mail(bytes(data))) == ("encrypted", "")
    both = mail(bytes(data)).replace(b"hello", EICAR)
    assert WORKER.scan(both) == FOUND


def test_infection_beside_something_broken_is_still_an_infection() -> None:
    assert WORKER.scan(mail(zipped(b"x")[:-25]).replace(b"hello", EICAR)) == FOUND
    broken_first = mail(b"\x1f\x8b\x08 broken").replace(b"--x--", b"--x\r\n\r\n" + EICAR + b"\r\n--x--")
    assert WORKER.scan(broken_first) == FOUND


@pytest.mark.parametrize(
    "data",
    [zipped(b"x" * 99)[:-25], b"Rar!\x1a\x07\x00", gzip.compress(b"\0" * 30_000_000), zipped(b"\0" * 60_000_000)],
    ids=["cut", "rar", "gzip bomb", "zip bomb"],  # the zip holds the time: two workers would collect different names
)
def test_what_cannot_be_read_is_unscannable_and_says_why(data: bytes) -> None:
    result, why = WORKER.scan(mail(data))
    assert result == "unscannable"
    assert why


def test_too_many_parts_are_not_called_clean() -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 3000
    result, why = WORKER.scan(octets)
    assert (result, "limit" in why) == ("unscannable", True)


def test_slow_rule_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virus_worker, "CPU_SECONDS_MAX", 1)
    (tmp_path / "slow.yar").write_text(
        "rule slow { condition: for all i in (0..100000000000) : (uint8(i % 10) != 255) }"
    )
    worker = Worker(compile_rules([tmp_path / "slow.yar"]).octets)
    assert worker.scan(b"x" * 100) == ("unscannable", "takes too long")


@given(st.binary(max_size=300))
def test_any_octets_get_an_answer(octets: bytes) -> None:
    result, _ = WORKER.scan(mail(octets))
    assert result in {"clean", "unscannable", "encrypted", "infected"}
    assert WORKER.scan(octets)[0] in {"clean", "unscannable", "encrypted", "infected"}
