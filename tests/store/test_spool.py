"""The spool on a real directory: what is written is read, space is used again, a failing disk is never believed."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.checks.held import read_place
from pratique.mail.body import PIECE_BYTES
from pratique.store.bodies import Reads, SpoolBody
from pratique.store.interface import Stored
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent
from pratique.store.segment import HANDLES_MAX, Handle, Segment
from pratique.store.spool import SPARES_MAX, FileSpool, SegmentState

SEGMENT = 1 << 14
MEMORY = SEGMENT


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def make(directory: Path, time: Time | None = None, **fields: Any) -> FileSpool:
    options: dict[str, Any] = {"reserve_bytes": 0, "segment_bytes": SEGMENT, "memory_bytes": MEMORY} | fields
    return FileSpool(directory, monotonic=time or Time(), **options)


@pytest.fixture
def spool(tmp_path: Path, time: Time) -> FileSpool:
    made = make(tmp_path / "spool", time)
    made.adopt({}, lambda _: 0)
    return made


def put(spool: FileSpool, *chunks: bytes) -> Stored:
    writer = spool.writer()
    for chunk in chunks:
        writer.write(chunk)
    stored = writer.finish()
    assert stored.size == writer.size == sum(map(len, chunks))
    assert stored.sha256 == sha256(b"".join(chunks)).hexdigest()
    return stored


def text(spool: FileSpool, stored: Stored) -> bytes:
    return b"".join(spool.open(stored.extent, stored.sha256).pieces())


def segments(spool: FileSpool) -> list[str]:
    return sorted(name for name in os.listdir(spool.directory) if name.endswith(".seg"))


def test_bodies_lie_one_behind_the_other(spool: FileSpool) -> None:
    first, second = put(spool, b"one", b"more"), put(spool, b"two")
    assert (first.extent.offset, second.extent.offset) == (0, 7)
    assert first.extent.segment == second.extent.segment
    assert text(spool, first) == b"onemore"
    assert text(spool, second) == b"two"
    assert len(segments(spool)) == 1


def test_an_empty_body_has_a_place(spool: FileSpool) -> None:
    stored = put(spool)
    assert stored.extent.length == 0
    assert text(spool, stored) == b""
    assert spool.verify(stored.extent, stored.sha256)
    following = put(spool, b"more")
    assert following.extent.offset != stored.extent.offset  # rows name a body by its place
    assert text(spool, following) == b"more"


def test_many_small_chunks_are_one_body(spool: FileSpool) -> None:
    chunks = [bytes([n % 256]) for n in range(1500)]  # more than one writev takes
    assert text(spool, put(spool, *chunks)) == b"".join(chunks)


def test_octets_are_at_hand_while_the_body_is_small(spool: FileSpool) -> None:
    writer = spool.writer()
    assert writer.octets() == b""
    writer.write(b"ab")
    writer.write(b"cd")
    assert writer.octets() == b"abcd"
    stored = writer.finish()
    assert writer.octets() == b"abcd"
    assert text(spool, stored) == b"abcd"


def test_a_large_body_gets_a_file_of_its_own(spool: FileSpool) -> None:
    small = put(spool, b"small")
    writer = spool.writer()
    piece = os.urandom(MEMORY // 2)
    for _ in range(3):
        writer.write(piece)
    assert writer.octets() is None
    stored = writer.finish()
    assert stored.extent == Extent(2, 0, len(piece) * 3)
    assert stored.extent.segment != small.extent.segment
    assert text(spool, stored) == piece * 3
    assert os.path.getsize(Path(spool.directory) / "00000002.seg") == len(piece) * 3


def test_a_streamed_body_is_not_kept_in_memory(tmp_path: Path) -> None:
    spool = make(tmp_path)
    writer = spool.writer()
    piece = bytes(PIECE_BYTES)
    for _ in range(8):
        writer.write(piece)
        assert sum(map(len, writer._chunks)) <= PIECE_BYTES  # type: ignore[attr-defined]
    stored = writer.finish()
    pieces = list(spool.open(stored.extent, stored.sha256).pieces())
    assert [len(one) for one in pieces] == [PIECE_BYTES] * 8


def test_an_aborted_body_leaves_nothing(spool: FileSpool) -> None:
    writer = spool.writer()
    writer.write(bytes(MEMORY * 2))
    assert len(segments(spool)) == 1
    writer.abort()
    writer.abort()
    assert segments(spool) == []
    stored = put(spool, b"kept")
    writer = spool.writer()
    writer.write(b"x")
    kept = writer.finish()
    writer.abort()  # harmless after finish
    assert text(spool, kept) == b"x"
    assert text(spool, stored) == b"kept"


def test_reading_gives_what_was_asked_for(spool: FileSpool) -> None:
    put(spool, b"before")
    stored = put(spool, b"0123456789")
    put(spool, b"after")
    assert spool.read(stored.extent, 3, 4) == b"3456"
    assert spool.read(stored.extent, 8, 99) == b"89"
    assert spool.read(stored.extent, 10, 5) == b""


def test_a_full_segment_is_followed_by_another(spool: FileSpool) -> None:
    stored = [put(spool, bytes([n]) * (SEGMENT // 5)) for n in range(12)]
    assert [one.extent.segment for one in stored] == [1] * 5 + [2] * 5 + [3] * 2
    assert [text(spool, one) for one in stored] == [bytes([n]) * (SEGMENT // 5) for n in range(12)]


def test_an_emptied_segment_is_used_again_under_a_new_number(spool: FileSpool) -> None:
    first = [put(spool, bytes(SEGMENT // 4)) for _ in range(4)]
    old = spool.open(first[0].extent, first[0].sha256)
    put(spool, b"second segment")
    inode = os.stat(Path(spool.directory) / "00000001.seg").st_ino
    spool.drop([one.extent for one in first])
    with pytest.raises(OSError, match="let go"):
        list(old.pieces())
    third = put(spool, bytes(SEGMENT // 2)), put(spool, bytes(SEGMENT // 2))
    assert third[1].extent.segment == 3
    assert os.stat(Path(spool.directory) / "00000003.seg").st_ino == inode
    with pytest.raises(OSError, match="gone"):
        spool.open(first[0].extent, first[0].sha256)
    with pytest.raises(OSError, match="gone"):
        spool.read(first[0].extent, 0, 1)


def test_no_more_than_a_few_empty_segments_are_kept(spool: FileSpool) -> None:
    stored = [put(spool, bytes(SEGMENT)) for _ in range(SPARES_MAX + 3)]
    spool.drop([one.extent for one in stored[:-1]])
    assert len(segments(spool)) == SPARES_MAX + 1
    assert text(spool, stored[-1]) == bytes(SEGMENT)


def test_a_large_body_goes_with_its_file(spool: FileSpool) -> None:
    stored = put(spool, bytes(MEMORY + 1))
    assert segments(spool) == ["00000001.seg"]
    spool.drop([stored.extent])
    spool.drop([stored.extent])
    assert segments(spool) == []


def test_the_rows_have_the_last_word_before_space_is_given_free(spool: FileSpool) -> None:
    """Whoever drops too often must not free a segment that rows still name."""
    live = {1: 1}
    spool.adopt({}, lambda number: live.get(number, 0))
    kept, gone = put(spool, b"k" * (SEGMENT // 2)), put(spool, b"g" * (SEGMENT // 2))
    spool.named([kept.extent, gone.extent])
    put(spool, b"next segment")
    spool.drop([gone.extent])
    spool.drop([gone.extent])
    assert text(spool, kept) == b"k" * (SEGMENT // 2)
    live[1] = 0
    spool.drop([kept.extent])
    with pytest.raises(OSError):
        spool.open(kept.extent, kept.sha256)


def test_a_body_on_its_way_into_a_commit_keeps_its_segment(spool: FileSpool) -> None:
    waiting, other = put(spool, b"w" * (SEGMENT // 2)), put(spool, b"o" * (SEGMENT // 2))
    put(spool, b"next segment")
    spool.drop([other.extent])
    spool.drop([other.extent])
    assert text(spool, waiting) == b"w" * (SEGMENT // 2)


def test_a_failed_move_gives_its_body_free_once(spool: FileSpool) -> None:
    failed, kept = put(spool, bytes(SEGMENT // 2)), put(spool, bytes(SEGMENT // 2))
    put(spool, b"next segment")
    spool.unnamed([failed.extent])
    spool.drop([failed.extent])  # the caller gives it back, too
    assert text(spool, kept) == bytes(SEGMENT // 2)
    spool.unnamed([kept.extent])
    assert segments(spool) == ["00000001.seg", "00000002.seg"]  # 1 is kept as a spare
    with pytest.raises(OSError):
        spool.open(kept.extent, kept.sha256)


def test_the_next_process_writes_behind_the_last_body(tmp_path: Path) -> None:
    before = make(tmp_path)
    before.adopt({}, lambda _: 0)
    large = put(before, bytes(MEMORY + 9))
    kept, orphan = put(before, b"kept"), put(before, b"orphan")
    used = before.used(kept.extent.segment) - len(b"orphan")
    # killed here: nothing is closed
    after = make(tmp_path)
    after.adopt({1: SegmentState(1, 0), 2: SegmentState(1, used)}, lambda _: 1)
    again = put(after, b"again!")
    assert again.extent == orphan.extent
    assert text(after, kept) == b"kept"
    assert text(after, large) == bytes(MEMORY + 9)
    assert after.used(2) == used + 6
    assert after.used(77) == 0


def test_files_that_no_row_names_are_swept_at_start(tmp_path: Path) -> None:
    before = make(tmp_path)
    put(before, bytes(MEMORY + 1))
    put(before, b"small")
    (tmp_path / "spare-9").write_bytes(b"")
    after = make(tmp_path)
    after.adopt({}, lambda _: 0)
    assert segments(after) == ["00000002.seg"]  # the shared one is ready for use again
    assert not (tmp_path / "spare-9").exists()
    assert put(after, b"x").extent == Extent(3, 0, 1)


def test_before_the_rows_were_read_nothing_is_overwritten(tmp_path: Path) -> None:
    before = make(tmp_path)
    before.adopt({}, lambda _: 0)
    kept = put(before, b"kept")
    after = make(tmp_path)
    put(after, b"early")
    after.drop([kept.extent])
    assert text(after, kept) == b"kept"


def test_numbers_of_lost_files_are_not_used_again(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.adopt({41: SegmentState(3, 10)}, lambda _: 3)
    assert put(spool, b"x").extent.segment == 42
    with pytest.raises(OSError):
        spool.open(Extent(41, 0, 10), "")


def test_mail_is_refused_below_the_reserve(tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1000
    real = os.fstatvfs(0)

    def statvfs(fd: int) -> os.statvfs_result:
        values = list(real)
        values[0], values[1], values[2], values[4] = 1, 1, 100_000, free
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", statvfs)
    spool = make(tmp_path, time, reserve_bytes=400)
    assert spool.free_bytes() == 600
    put(spool, b"x")
    free = 399
    assert spool.free_bytes() == 600  # believed for a while
    time.now += 0.5
    assert spool.free_bytes() == -1
    with pytest.raises(StoreFailed) as refused:
        spool.writer().write(b"x")
    assert refused.value.full
    assert not refused.value.fatal
    free = 1000
    time.now += 0.5
    put(spool, b"x")


def test_the_reserve_holds_two_messages_or_a_share_of_the_disk(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    size = disk.f_blocks * disk.f_frsize
    spool = make(tmp_path, reserve_bytes=None)
    reserve = os.statvfs(tmp_path).f_bavail * disk.f_frsize - spool.free_bytes()
    expected = max(200 << 20, int(size * 0.05))
    assert abs(reserve - expected) < 1 << 28  # others write to the same disk


class Broken:
    """Makes one call of os fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, errno: int) -> None:
        self.real: Callable[..., Any] = getattr(os, name)
        self.errno = errno
        self.on = True
        self.calls = 0
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.on:
            raise OSError(self.errno, os.strerror(self.errno))
        return self.real(*arguments)


@pytest.mark.parametrize(("errno", "full"), [(28, True), (122, True), (5, False), (30, False)])
def test_a_write_that_fails_harms_only_its_body(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch, errno: int, full: bool
) -> None:
    kept = put(spool, b"kept")
    broken = Broken(monkeypatch, "pwritev", errno)
    with pytest.raises(StoreFailed) as failed:
        put(spool, b"lost")
    assert failed.value.full is full
    assert not failed.value.fatal
    writer = spool.writer()
    with pytest.raises(StoreFailed):
        writer.write(bytes(MEMORY + 1))
    writer.abort()
    broken.on = False
    assert text(spool, put(spool, b"next")) == b"next"
    assert text(spool, kept) == b"kept"
    assert len(segments(spool)) == 1


def test_a_large_body_that_cannot_be_finished_leaves_no_file(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = spool.writer()
    writer.write(bytes(MEMORY + 1))
    writer.write(b"rest")
    Broken(monkeypatch, "pwritev", 28)
    with pytest.raises(StoreFailed):
        writer.finish()
    writer.abort()
    assert segments(spool) == []


@pytest.mark.parametrize("name", ["posix_fallocate", "open"])
def test_a_segment_that_cannot_be_made_refuses_the_body(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    broken = Broken(monkeypatch, name, 28)
    with pytest.raises(StoreFailed) as failed:
        put(spool, b"x")
    assert failed.value.full
    broken.on = False
    assert text(spool, put(spool, b"y")) == b"y"
    assert len(segments(spool)) == 1


def test_a_short_write_is_completed(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, chunks, at: real(fd, [b"".join(chunks)[:3]], at))
    put(spool, b"before")
    stored = put(spool, b"abcde", b"fgh")
    assert text(spool, stored) == b"abcdefgh"


def test_what_is_named_is_synced_once(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    data, directory = Broken(monkeypatch, "fdatasync", 5), Broken(monkeypatch, "fsync", 5)
    data.on = directory.on = False
    stored = put(spool, b"x")
    spool.sync({stored.extent.segment})
    assert (data.calls, directory.calls) == (1, 1)
    spool.sync({stored.extent.segment})
    assert (data.calls, directory.calls) == (1, 1)
    put(spool, b"y")
    spool.sync({stored.extent.segment, 99})
    assert (data.calls, directory.calls) == (2, 1)


@pytest.mark.parametrize("name", ["fdatasync", "fsync"])
def test_a_failed_sync_is_the_end(spool: FileSpool, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The kernel says yes the second time, with the data lost: no second try, no new mail, nothing given free."""
    broken = Broken(monkeypatch, name, 5)
    stored = put(spool, bytes(SEGMENT))
    with pytest.raises(StoreFailed) as failed:
        spool.sync({stored.extent.segment})
    assert failed.value.fatal
    broken.on = False
    with pytest.raises(StoreFailed) as refused:
        spool.writer().write(b"x")
    assert refused.value.fatal
    assert broken.calls == 1
    spool.drop([stored.extent])
    assert text(spool, stored) == bytes(SEGMENT)


def test_the_next_segment_is_ready_before_it_is_needed(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.prepare()
    put(spool, bytes(SEGMENT // 2 - 1))
    spool.prepare()
    assert len(os.listdir(spool.directory)) == 1
    put(spool, b"x")
    spool.prepare()
    spool.prepare()
    assert len(os.listdir(spool.directory)) == 2
    allocate = Broken(monkeypatch, "posix_fallocate", 28)
    stored = put(spool, bytes(SEGMENT))
    assert stored.extent.segment == 2
    assert allocate.calls == 0
    spool.prepare()  # cannot: the loop's thread will be told when it must turn
    assert allocate.calls == 1
    assert sorted(os.listdir(spool.directory)) == ["00000001.seg", "00000002.seg"]


def test_a_spare_that_cannot_be_taken_refuses_the_body(spool: FileSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    put(spool, bytes(SEGMENT))
    spool.prepare()
    Broken(monkeypatch, "rename", 5)
    with pytest.raises(StoreFailed, match="into use"):
        put(spool, bytes(SEGMENT))
    assert sorted(os.listdir(spool.directory)) == ["00000001.seg"], "a spare that nobody knows is not left behind"


def test_a_changed_octet_is_seen(spool: FileSpool) -> None:
    stored = put(spool, b"the body as accepted")
    assert spool.verify(stored.extent, stored.sha256)
    with open(Path(spool.directory) / "00000001.seg", "rb+") as file:
        file.seek(4)
        file.write(b"B")
    assert not spool.verify(stored.extent, stored.sha256)


def test_a_segment_that_was_cut_short_is_an_error(spool: FileSpool) -> None:
    stored = put(spool, b"the body as accepted")
    os.truncate(Path(spool.directory) / "00000001.seg", 7)
    with pytest.raises(OSError, match="ends before"):
        spool.read(stored.extent, 0, 20)


def test_open_files_are_bounded(tmp_path: Path) -> None:
    spool = make(tmp_path, segment_bytes=16)
    spool.adopt({}, lambda _: 1)
    before = len(os.listdir("/proc/self/fd"))
    stored = [put(spool, b"%16d" % n) for n in range(HANDLES_MAX + 40)]
    assert len(os.listdir("/proc/self/fd")) - before <= HANDLES_MAX + 2
    for number, one in enumerate(stored):
        assert text(spool, one) == b"%16d" % number
    assert len(os.listdir("/proc/self/fd")) - before <= HANDLES_MAX + 2
    spool.close()
    assert len(os.listdir("/proc/self/fd")) - before <= 2


def test_closing_removes_spares(spool: FileSpool) -> None:
    put(spool, bytes(SEGMENT))
    spool.prepare()
    spool.close()
    assert os.listdir(spool.directory) == ["00000001.seg"]


def test_a_body_that_has_ended_takes_no_more(spool: FileSpool) -> None:
    writer = spool.writer()
    writer.finish()
    with pytest.raises(AssertionError):
        writer.write(b"x")
    with pytest.raises(AssertionError):
        writer.finish()


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, SEGMENT), st.integers(0, 9)), max_size=40))
def test_whatever_is_written_and_dropped_the_rest_is_whole(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    spool = make(tmp_path_factory.mktemp("spool"))
    live: dict[Extent, tuple[Stored, bytes]] = {}
    spool.adopt({}, lambda number: sum(extent.segment == number for extent in live))
    for number, (size, pick) in enumerate(steps):
        octets = b"%d," % number * size
        stored = put(spool, octets[:size])
        spool.named([stored.extent])
        live[stored.extent] = (stored, octets[:size])
        if pick < 6 and live:
            gone = list(live)[pick % len(live)]
            del live[gone]
            spool.drop([gone])
        spool.prepare()
    for stored, octets in live.values():
        assert text(spool, stored) == octets
        assert spool.verify(stored.extent, stored.sha256)
    spool.close()


def test_what_was_given_back_at_the_start_is_counted(tmp_path: Path) -> None:
    before = make(tmp_path)
    put(before, bytes(MEMORY + 1))
    put(before, b"small")
    after = make(tmp_path)
    after.adopt({2: SegmentState(1, 5)}, lambda _: 1)
    assert after.given_back == (1, MEMORY + 1)


def test_beside_a_store_that_was_put_back_nothing_that_lies_here_is_touched(tmp_path: Path) -> None:
    """The newer store may still be found: its bodies are worth as much as they were."""
    before = make(tmp_path)
    before.adopt({}, lambda _: 0)
    known, newer, large = put(before, b"known"), put(before, b"newer"), put(before, bytes(MEMORY + 1))
    files = segments(before)
    after = make(tmp_path)
    live = {1: 1}
    after.adopt({1: SegmentState(1, 5)}, lambda number: live.get(number, 0), untouched=True)
    assert put(after, b"written now").extent.segment not in (known.extent.segment, large.extent.segment)
    live[1] = 0
    after.drop([known.extent])
    assert set(files) <= set(segments(after))
    assert after.given_back == (0, 0)
    again = make(tmp_path)
    again.adopt({1: SegmentState(2, 10), 2: SegmentState(1, 0)}, lambda _: 1)
    assert [text(again, stored) for stored in (known, newer, large)] == [b"known", b"newer", bytes(MEMORY + 1)]


def test_another_process_finds_a_body_by_its_place(tmp_path: Path) -> None:
    spool = make(tmp_path, memory_bytes=1_000)
    for octets in (b"small", b"x" * 5_000):
        writer = spool.writer()
        writer.write(octets)
        stored = writer.finish()
        place = spool.open(stored.extent, stored.sha256).place
        assert place is not None
        assert read_place(place) == octets
    spool.close()


def test_a_lent_segment_has_no_place_that_another_process_could_open(tmp_path: Path) -> None:
    path = tmp_path / "00000007.seg"
    path.write_bytes(b"before the body")
    lent = Segment(7, "", 100, handle=Handle(os.open(path, os.O_RDWR)))
    body = SpoolBody(cast(Reads, None), lent, Extent(7, 7, 8), "")
    assert body.place is None


def test_a_body_that_its_caller_digests_is_kept_under_that_digest(spool: FileSpool) -> None:
    writer = spool.writer(digest=False)
    writer.write(b"one")
    writer.write(b"two")
    known = sha256(b"onetwo").hexdigest()
    stored = writer.finish(known)
    assert (stored.sha256, stored.size, text(spool, stored)) == (known, 6, b"onetwo")
    with pytest.raises(AssertionError):
        spool.writer(digest=False).finish()  # nobody digested it
    with pytest.raises(AssertionError):
        spool.writer().finish(known)
