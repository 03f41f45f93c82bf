"""Archives: what stands inside is found, what cannot be trusted to be complete says so, bombs end early."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.checks import unpack
from pratique.checks.unpack import Allowance, Exhausted, Unreadable, contents

TEXT = b"some text that compresses " * 20


def allowance(message_bytes: int = 100_000, cpu_s: float = 5.0) -> Allowance:
    return Allowance(message_bytes, cpu_s=cpu_s)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return into.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return into.getvalue()


def encrypted_zip() -> bytes:
    """The standard library cannot encrypt: the flag alone is what a reader goes by."""
    data = bytearray(zipped({"a": TEXT}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def overlapping_zip(entries: int, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = b"\0" * size
    packed = packer.compress(raw) + packer.flush()
    crc = zlib.crc32(raw)
    fields = (20, 0, 8, 0, 0, crc, len(packed), size, 1, 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *fields) + b"f" + packed
    one = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, *fields, 0, 0, 0, 0, 0) + b"f"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, entries, entries, len(one) * entries, len(local), 0)
    return local + one * entries + end


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip_members(method: int) -> None:
    assert list(contents(zipped({"a": TEXT, "b/c": b"x"}, method), allowance())) == [TEXT, b"x"]


def test_zip_that_was_written_as_a_stream_has_its_sizes_behind() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.octets = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.octets += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", TEXT)
    assert list(contents(pipe.octets, allowance())) == [TEXT]


def test_zip_behind_a_program_is_found_from_its_end() -> None:
    assert list(contents(b"MZ program" * 99 + zipped({"a": TEXT}), allowance())) == [TEXT]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_members(form: int) -> None:
    name = "n" * 90 + "/é" if form != tarfile.USTAR_FORMAT else "n"
    found = list(contents(tarred({name: TEXT, "b": b"x" * 513}, form), allowance()))
    assert found[-2:] == [TEXT, b"x" * 513] or [f for f in found if f in (TEXT, b"x" * 513)] == [TEXT, b"x" * 513]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_streams_also_several_in_a_row(pack) -> None:  # type: ignore[no-untyped-def]
    big = os.urandom(100_000) + b"\0" * 300_000
    assert list(contents(pack(big) + pack(b"tail") + b"\0\0", allowance())) == [big + b"tail"]


def test_plain_octets_are_no_container() -> None:
    for data in (b"", b"x", TEXT * 100, b"\0" * 2048, b"PK", os.urandom(2000).replace(b"PK", b"pk")):
        assert list(contents(data, allowance())) == []


def test_encrypted_zip_is_told_and_the_rest_is_still_read() -> None:
    left = allowance()
    assert list(contents(encrypted_zip(), left)) == []
    assert left.encrypted


def test_encrypted_office_file_is_told() -> None:
    left = allowance()
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100 + "EncryptedPackage".encode("utf-16-le")
    assert list(contents(data, left)) == []
    assert left.encrypted


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"Rar!\x1a\x07\x01\x00rest", "rar"),
        (b"7z\xbc\xaf\x27\x1crest", "7z"),
        (overlapping_zip(30, 2_000), "overlap"),
        (zipped({"a": TEXT}) + zipped({"b": TEXT}), "does not name"),
        (zipped({"a": TEXT})[:-30], "broken"),
        (zipped({"a": TEXT}, zipfile.ZIP_LZMA), "method 14"),
        (tarred({"a": TEXT})[:700], "cut short"),
        (tarred({"a": TEXT})[:1536] + b"garbage " * 64, "broken"),
        (b"\x1f\x8b\x08 not a stream", "broken"),
    ],
)
def test_what_readers_may_see_differently_or_we_cannot_read_is_unreadable(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        list(contents(data, allowance()))


def test_zip_entry_hidden_between_the_named_ones_is_not_passed_over() -> None:
    data = zipped({"seen": TEXT}, zipfile.ZIP_STORED)
    hidden = zipped({"hidden": b"evil"})
    hidden = hidden[: hidden.index(b"PK\x01\x02")]
    at = data.index(b"PK\x01\x02")
    directory_at = struct.pack("<I", at + len(hidden))
    forged = data[:at] + hidden + data[at:-6] + directory_at + data[-2:]
    with pytest.raises(Unreadable, match="does not name"):
        list(contents(forged, allowance()))


def test_zip_whose_header_and_directory_differ_is_unreadable() -> None:
    data = bytearray(zipped({"a": TEXT}))
    data[8] = 0  # the header says stored, the directory says deflated
    with pytest.raises(Unreadable, match="differ"):
        list(contents(bytes(data), allowance()))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_stream_cut_short_gives_what_it_held_first(pack) -> None:  # type: ignore[no-untyped-def]
    found = contents(pack(os.urandom(200_000))[:150_000], allowance())
    next(found)
    with pytest.raises(Unreadable, match="cut short"):
        next(found)


def test_a_broken_member_does_not_hide_the_next() -> None:
    data = bytearray(zipped({"a": TEXT, "b": b"second"}))
    start = 30 + 1
    data[start : start + 4] = b"\xff\xff\xff\xff"
    found: list[bytes] = []
    with pytest.raises(Unreadable, match="broken"):
        for member in contents(bytes(data), allowance()):
            found.append(member)  # noqa: PERF402  extend() would lose them when the last step raises
    assert found[-1] == b"second"


@pytest.mark.parametrize(
    "bomb",
    [
        zipped({"a": b"\0" * 60_000_000}),
        gzip.compress(b"\0" * 30_000_000),
        bz2.compress(b"\0" * 30_000_000),
        lzma.compress(b"\0" * 30_000_000),
        zipped({"a": b"\0" * 60_000_000}, zipfile.ZIP_BZIP2),
    ],
    ids=["zip", "gzip", "bzip2", "xz", "zip of bzip2"],
)
def test_bomb_stops_at_the_allowance(bomb: bytes) -> None:
    with pytest.raises(Exhausted, match="too much"):
        list(contents(bomb, allowance(len(bomb))))


def test_member_larger_than_a_worker_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MEMBER_BYTES_MAX", 1000)
    with pytest.raises(Unreadable, match="too much"):
        list(contents(gzip.compress(b"\0" * 100_000), allowance()))


@pytest.mark.parametrize("make", [zipped, tarred])
def test_too_many_entries(make, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(unpack, "ENTRIES_MAX", 10)
    data = make({str(n): b"" for n in range(25)})
    with pytest.raises(Exhausted, match="entries"):
        list(contents(data, allowance()))


def test_many_tiny_streams_end_at_the_entry_limit() -> None:
    with pytest.raises(Exhausted, match="entries"):
        list(contents(gzip.compress(b"") * 20_000, allowance()))


def test_work_is_bounded_in_cpu_time() -> None:
    with pytest.raises(Exhausted, match="long"):
        list(contents(gzip.compress(TEXT), allowance(cpu_s=-1.0)))


def test_tar_with_a_negative_size_ends() -> None:
    header = bytearray(tarred({"a": b""})[:512])
    header[124:136] = b"-0000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert list(contents(bytes(header) * 3, allowance())) == []


BASES = [zipped({"a": TEXT, "b": b"y" * 600}), tarred({"a": TEXT}), gzip.compress(TEXT), lzma.compress(TEXT)]


@given(
    st.sampled_from(BASES),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=8),
    st.integers(0, 5000),
)
def test_damaged_archives_raise_nothing_else(base: bytes, damage: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(base)
    for at, value in damage:
        data[at % len(data)] = value
    try:
        for member in contents(bytes(data[: len(data) - cut % 40]), allowance()):
            assert isinstance(member, bytes)
    except (Unreadable, Exhausted) as error:
        assert str(error)
