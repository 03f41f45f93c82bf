"""What stands inside a container: zip, tar, gzip, bzip2, xz. Contents as octets, names never used.

Runs in a worker that may be killed; what is too large for memory goes to a file without a name (held.py). Where readers
of an archive could disagree on what is in it (entries that overlap, entries the directory does not name, a directory
and a header that differ), it is Unreadable rather than read one way. Formats that are known but not read here are
Unreadable too, never "empty".

Limits (design: every archive bomb ends unscannable): see Allowance. APPNOTE.TXT is PKWARE's description of zip.
"""

import bz2
import io
import lzma
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, Protocol

from pratique.checks.held import Held, Mapped, Scratch, held
from pratique.mail.decoding import plain_pieces

UNPACKED_RATIO_MAX = 10  # what all archives of a message may unpack to, in multiples of the message
UNPACKED_BYTES_MIN = 8_388_608  # a small message may unpack to this whatever the ratio: office documents reach 30
UNPACKED_BYTES_MAX = 268_435_456  # and no message to more than this
MEMBER_BYTES_MAX = 134_217_728  # of one member: more than any message has; the worker maps it twice while it is scanned
ENTRIES_MAX = 5_000  # of all archives of a message
DEPTH_MAX = 4  # archives in archives
LZMA_MEMORY_MAX = 67_108_864  # xz -9 needs 65 MiB to unpack
CHUNK = 65_536

_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_ZIP_END_BYTES_MAX = 22 + 65_535  # APPNOTE §4.3.16: the end record with the longest comment
_BLOCK = 512  # tar
_NOT_PADDING = re.compile(rb"[^\0]")
_UNREAD = {
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "rar archive",
    b"MSCF\x00\x00\x00\x00": "cab archive",
    b"\x28\xb5\x2f\xfd": "zstd stream",
    b"\x1f\x9d": "compress stream",
    b"\x60\xea": "arj archive",
}
_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class Unreadable(Exception):
    """This container cannot be read to its end."""


class Exhausted(Exception):
    """The message's allowance is used up: stop."""


class Allowance:
    """What one message may cost, over all its containers. `cpu_s` is CPU time: a busy machine refuses no mail.
    `scratch`: the directory for what is too large for memory."""

    __slots__ = ("_cpu_until", "_entries", "_octets", "encrypted", "scratch")

    def __init__(self, message_bytes: int, *, cpu_s: float, scratch: str | None = None) -> None:
        self._octets = min(UNPACKED_BYTES_MAX, max(UNPACKED_BYTES_MIN, UNPACKED_RATIO_MAX * message_bytes))
        self._entries = ENTRIES_MAX
        self._cpu_until = time.process_time() + cpu_s
        self.scratch = scratch
        self.encrypted = False  # something was met that only a password opens

    def entry(self) -> None:
        self._entries -= 1
        if self._entries < 0:
            raise Exhausted(f"more than {ENTRIES_MAX} archive entries")

    def octets(self, count: int) -> None:
        self._octets -= count
        if self._octets < 0:
            raise Exhausted("unpacks to too much")
        self.work()

    def work(self) -> None:
        if time.process_time() > self._cpu_until:
            raise Exhausted("takes too long")


class _Stream(Protocol):
    """What zlib, bz2 and lzma objects agree on."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def contents(data: Held, allowance: Allowance) -> Iterator[Held]:
    """Each thing inside `data`; nothing when it is no container. Raises Unreadable or Exhausted."""
    for magic, name in _UNREAD.items():
        if data[: len(magic)] == magic:
            raise Unreadable(f"{name} is not read by this engine")
    if data[: len(_OFFICE)] == _OFFICE and data.find(_OFFICE_ENCRYPTED) >= 0:
        allowance.encrypted = True
    for magic, make in _STREAMS:
        if data[: len(magic)] == magic:
            yield from _streams(data, make, allowance)
            return
    # a zip is found from its end, so one file can be both of these
    if data[: len(_LOCAL)] == _LOCAL or data.rfind(_END, max(0, len(data) - _ZIP_END_BYTES_MAX)) >= 0:
        yield from _zip(data, allowance)
    if _tar_size(data, 0) is not None:
        yield from _tar(data, allowance)


# --- compressed streams -------------------------------------------------------------------------------------------
class _Zlib:
    """zlib hands back the input that it had no room for; bz2 and lzma keep it, and so does this."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail or data, max_length)


def _gzip() -> _Stream:
    return _Zlib(zlib.MAX_WBITS | 16)


def _deflate() -> _Stream:
    return _Zlib(-zlib.MAX_WBITS)


def _xz() -> _Stream:
    return lzma.LZMADecompressor(memlimit=LZMA_MEMORY_MAX)


_STREAMS: tuple[tuple[bytes, Callable[[], _Stream]], ...] = (
    (b"\x1f\x8b\x08", _gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", _xz),
)


def _streams(data: Held, make: Callable[[], _Stream], allowance: Allowance) -> Iterator[Held]:
    """What is unpacked, also of a damaged stream. Streams in a row are one file to gzip."""
    into = Scratch(allowance.scratch)
    at = 0
    try:
        while more := _NOT_PADDING.search(data, at):
            allowance.entry()
            at = _expand(_Packed(data, more.start(), len(data)), make(), allowance, into)
    except Unreadable:
        yield into.held()
        raise
    yield into.held()


class _Packed(NamedTuple):
    """Compressed octets: data[start:end]."""

    data: Held
    start: int
    end: int


def _expand(packed: _Packed, stream: _Stream, allowance: Allowance, into: Scratch) -> int:
    """Unpack the stream that begins at the start in bounded steps; where it ends."""
    at = packed.start
    try:
        while not stream.eof:
            feed = b""
            if stream.needs_input:
                feed = packed.data[at : min(at + CHUNK, packed.end)]
                at += len(feed)
            piece = stream.decompress(feed, CHUNK)
            if not piece and not feed and not stream.eof:
                raise Unreadable("compressed data is cut short")
            allowance.octets(len(piece))
            into.write(piece)
            if into.size > MEMBER_BYTES_MAX:
                raise Unreadable("a member unpacks to too much")
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise Unreadable(f"compressed data is broken ({error})") from error
    return at - len(stream.unused_data)


# --- zip ----------------------------------------------------------------------------------------------------------
_ZIP_METHODS: dict[int, Callable[[], _Stream]] = {8: _deflate, 12: bz2.BZ2Decompressor}
_ZIP_LOCAL = struct.Struct("<4sHHHHHIIIHH")  # APPNOTE §4.3.7
_ZIP_DIRECTORY_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,  # a name that is not UTF-8
    OverflowError,
    struct.error,
)


def _zip(data: Held, allowance: Allowance) -> Iterator[Held]:
    if _holds_more(data, _CENTRAL, 2 * ENTRIES_MAX):  # before zipfile builds an object for each
        raise Exhausted(f"more than {ENTRIES_MAX} archive entries")
    try:
        with _file_of(data) as file, zipfile.ZipFile(file) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            directory = archive.start_dir
    except _ZIP_DIRECTORY_ERRORS as error:
        raise Unreadable(f"zip directory is broken ({error})") from error
    problem = ""
    at = 0
    for entry in entries:
        allowance.entry()
        start, end = _zip_extent(data, entry)
        if entry.header_offset < at or end > directory:
            raise Unreadable("zip entries overlap")
        if data.find(_LOCAL, at, entry.header_offset) >= 0:
            raise Unreadable("zip holds entries that its directory does not name")
        at = end
        if entry.flag_bits & 0x1:  # APPNOTE §4.4.4: encrypted
            allowance.encrypted = True
        elif entry.compress_type not in _ZIP_METHODS and entry.compress_type != 0:
            problem = problem or f"zip compression method {entry.compress_type} is not read by this engine"
        else:
            try:
                yield from _zip_member(_Packed(data, start, end), entry.compress_type, allowance)
            except Unreadable as error:
                problem = problem or str(error)
    if data.find(_LOCAL, at) >= 0:
        raise Unreadable("zip holds entries that its directory does not name")
    if problem:
        raise Unreadable(problem)


def _zip_member(packed: _Packed, method: int, allowance: Allowance) -> Iterator[Held]:
    if method == 0:
        allowance.octets(packed.end - packed.start)
        yield _copy(packed, allowance)
        return
    into = Scratch(allowance.scratch)
    try:
        _expand(packed, _ZIP_METHODS[method](), allowance, into)
    except Unreadable:
        yield into.held()
        raise
    yield into.held()


def _copy(stored: _Packed, allowance: Allowance) -> Held:
    return held(plain_pieces(stored.data, start=stored.start, end=stored.end), allowance.scratch)


def _file_of(data: Held) -> IO[bytes]:
    return open(data.path, "rb") if isinstance(data, Mapped) else io.BytesIO(data)


def _holds_more(data: Held, what: bytes, most: int) -> bool:
    at = -1
    for _ in range(most + 1):
        at = data.find(what, at + 1)
        if at < 0:
            return False
    return True


def _zip_extent(data: Held, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the entry's packed octets stand. The header in front of them must say what the directory says."""
    offset = entry.header_offset
    if offset < 0 or data[offset : offset + 4] != _LOCAL or len(data) < offset + _ZIP_LOCAL.size:
        raise Unreadable("zip directory points nowhere")
    _, _, flags, method, _, _, _, packed, _, name, extra = _ZIP_LOCAL.unpack_from(data, offset)
    sizes_follow = flags & 0x8  # APPNOTE §4.4.4: then the header has none
    if method != entry.compress_type or not (sizes_follow or packed in (entry.compress_size, 0xFFFFFFFF)):
        raise Unreadable("zip header and directory differ")
    start = offset + _ZIP_LOCAL.size + name + extra
    return start, start + entry.compress_size


# --- tar ----------------------------------------------------------------------------------------------------------
def _tar(data: Held, allowance: Allowance) -> Iterator[Held]:
    """Each member's octets; long names, extended headers and sparse maps come as members too and do no harm."""
    at = 0
    while at + _BLOCK <= len(data):
        if data[at : at + _BLOCK].count(0) == _BLOCK:  # padding; some readers go on behind it
            at += _BLOCK
            continue
        size = _tar_size(data, at)
        if size is None:
            raise Unreadable("tar header is broken")
        allowance.entry()
        at += _BLOCK
        if at + size > len(data):
            raise Unreadable("tar is cut short")
        if size:
            allowance.octets(size)
            yield _copy(_Packed(data, at, at + size), allowance)
        at += -(-size // _BLOCK) * _BLOCK


def _tar_size(data: Held, at: int) -> int | None:
    """The member's size, None when no tar header stands there (its checksum tells)."""
    header = data[at : at + _BLOCK]
    if len(header) < _BLOCK:
        return None
    try:
        checksum = int(header[148:156].strip(b" \0") or b"-1", 8)
        if checksum != sum(header[:148]) + sum(header[156:]) + 8 * 0x20:
            return None
        if header[124] & 0x80:  # GNU: a size in base 256
            return int.from_bytes(bytes([header[124] & 0x7F]) + header[125:136], "big")
        size = int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    return size if size >= 0 else None
