"""Do the bodies lie where the rows say, each in octets of its own, and are they what was accepted?

Two passes: `places` looks at rows and files alone, inside the caller's snapshot; `digests` reads the octets, page by
page outside of any snapshot, so that a running appliance is not kept from tidying its log. What was let go while it was
read is missed by nobody.
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from pratique.store.fsck.findings import Finding, Kind, Progress, Space

PAGE_ROWS = 500
FENCE = "edges.lock"  # store/remote/fence.py
READ_BYTES = 1_048_576
_SEGMENT = re.compile(r"(\d{8,})\.seg\Z")
MISMATCH = "its stored body does not match the digest made when it was accepted"


@dataclass(frozen=True, slots=True)
class Files:
    """The spool's directory as it was looked at: segment -> size of its file."""

    directory: str
    sizes: dict[int, int]
    foreign: tuple[str, ...]


def look(directory: str) -> Files:
    """Raises OSError."""
    sizes: dict[int, int] = {}
    foreign = []
    with os.scandir(directory) as entries:
        for entry in entries:
            match = _SEGMENT.match(entry.name)
            try:
                if match is not None:
                    sizes[int(match[1])] = entry.stat().st_size
                elif not (entry.name.startswith("spare-") or entry.name == FENCE):
                    foreign.append(entry.name)
            except FileNotFoundError:
                continue  # a running appliance gave it back just now
    return Files(directory, sizes, tuple(sorted(foreign)))


def places(db: sqlite3.Connection, files: Files) -> Iterator[Finding]:
    """Extents that are not in the spool, or that two bodies claim."""
    segment, end, before = -1, 0, (-1, -1, b"", 0)
    for mid, number, offset, length, digest in db.execute(
        "SELECT mid, segment, offset, length, sha256 FROM copy WHERE segment IS NOT NULL "
        "ORDER BY segment, offset, length"
    ):
        size = files.sizes.get(number)
        if size is None:
            yield Finding(Kind.CORRUPT, f"its body is lost: there is no segment {number}", mid)
        elif offset + length > size:
            yield Finding(Kind.CORRUPT, f"its body is lost: segment {number} ends before it does", mid)
        if number != segment:
            segment, end, before = number, 0, (-1, -1, b"", 0)
        same = before[:3] == (offset, length, digest)  # copies of one message that was split
        if length and not same and offset < end:
            what = f"its body at {offset} in segment {number} overlaps that of MID {before[3]}"
            yield Finding(Kind.OVERLAP, what, mid)
        if length:
            end, before = max(end, offset + length), (offset, length, digest, mid)


def space(db: sqlite3.Connection, files: Files) -> Space:
    named = dict(
        db.execute(
            "SELECT segment, sum(length) FROM (SELECT DISTINCT segment, offset, length FROM copy "
            "WHERE segment IS NOT NULL) GROUP BY segment"
        ).fetchall()
    )
    used = dict(db.execute("SELECT number, used FROM segment").fetchall())
    unnamed = [size for number, size in files.sizes.items() if number not in named]
    # what lies behind the last body is free, what lies between bodies was let go
    gaps = sum(min(used.get(n, 0), files.sizes[n]) - octets for n, octets in named.items() if n in files.sizes)
    return Space(len(unnamed), sum(unnamed), max(gaps, 0), files.foreign)


def digests(
    db: sqlite3.Connection, directory: str, *, known: set[int], progress: Progress
) -> Iterator[tuple[int, str]]:
    """(MID, "" or what is wrong) of every copy that has a body, save those `known` to be wrong."""
    reader = _Reader(directory)
    total = db.execute("SELECT coalesce(sum(length), 0) FROM copy WHERE segment IS NOT NULL").fetchone()[0]
    done = after = 0
    try:
        while page := db.execute(
            "SELECT mid, segment, offset, length, sha256 FROM copy WHERE segment IS NOT NULL AND mid > ? "
            "ORDER BY mid LIMIT ?",
            (after, PAGE_ROWS),
        ).fetchall():
            for mid, number, offset, length, digest in page:
                wrong = "" if mid in known else reader.wrong(number, offset, length, digest)
                done += length
                progress("bodies read", done, total)
                if wrong and not _still(db, mid, number, offset):
                    continue
                if mid not in known:
                    yield mid, wrong
            after = page[-1][0]
    finally:
        reader.close()


def _still(db: sqlite3.Connection, mid: int, number: int, offset: int) -> bool:
    row = db.execute("SELECT segment, offset FROM copy WHERE mid = ?", (mid,)).fetchone()
    return bool(row == (number, offset))


class _Reader:
    """Reads bodies; keeps the segment of the last one open, because the next is mostly in it, too."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._open = (-1, -1)  # segment, descriptor

    def wrong(self, number: int, offset: int, length: int, digest: bytes) -> str:
        """What is wrong with a body; "" when it is what was accepted."""
        try:
            found = _digest(self._segment(number), offset, offset + length)
        except OSError as error:
            return f"its body cannot be read: {error.strerror}"
        return "" if found == digest else MISMATCH

    def _segment(self, number: int) -> int:
        if self._open[0] != number:
            self.close()
            fd = os.open(os.path.join(self._directory, f"{number:08d}.seg"), os.O_RDONLY | os.O_CLOEXEC)
            self._open = (number, fd)
        return self._open[1]

    def close(self) -> None:
        fd, self._open = self._open[1], (-1, -1)
        if fd >= 0:
            os.close(fd)


def _digest(fd: int, at: int, end: int) -> bytes:
    """Of what is there; less than asked for gives another digest."""
    digest = hashlib.sha256()
    while at < end and (octets := os.pread(fd, min(READ_BYTES, end - at), at)):
        digest.update(octets)
        at += len(octets)
    return digest.digest()
