"""The engine around the workers: answers, deadlines, workers that die, shutting down."""

import asyncio
import base64
import gzip
import io
import os
import signal
import zipfile
from collections.abc import AsyncIterator, Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from pratique.checks import pool, virus
from pratique.checks.virus import YaraEngine
from pratique.checks.yara_rules import CompiledRules, compile_rules, eicar
from pratique.mail.body import InFile, MemoryBody
from pratique.policy.facts import Unknown, VirusResult

CLEAN = b"From: a@b.example\r\n\r\nhello\r\n"
INFECTED = b"From: a@b.example\r\n\r\n" + eicar() + b"\r\n"
SLOW = b"From: a@b.example\r\n\r\nslow-slow-slow\r\n"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> CompiledRules:
    """A message with the word in SLOW keeps the scanner busy for its whole CPU allowance."""
    path = tmp_path_factory.mktemp("rules") / "slow.yar"
    path.write_text(
        'rule slow { strings: $a = "slow-slow-slow" '
        "condition: $a and for all i in (0..100000000000) : (uint8(i % 10) != 255) }"
    )
    return compile_rules([path])


@pytest.fixture
async def engine(rules: CompiledRules) -> AsyncIterator[YaraEngine]:
    made = YaraEngine(rules, workers=1)
    await made.start()
    yield made
    made.close()


def workers() -> dict[int, int]:
    """Process id and CPU ticks of every child of multiprocessing's fork server that has scanned already."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            # YARA-X begins a thread with the first scan
            if int(fields[1]) == server and fields[0] != "Z" and int(fields[17]) > 1:
                found[int(entry.name)] = int(fields[11]) + int(fields[12])
    return found


async def busy_worker(*, other_than: int = 0) -> int:
    """The worker that has begun to work on a slow message."""
    before = workers()
    async with asyncio.timeout(5):
        while True:
            await asyncio.sleep(0.02)
            for pid, ticks in workers().items():
                if pid != other_than and ticks >= before.setdefault(pid, ticks) + 10:
                    return pid


async def ask(engine: YaraEngine, octets: bytes) -> VirusResult | Unknown:
    return await engine.scan(MemoryBody(octets, ""), octets)


async def test_verdicts_carry_engine_version_and_the_log_s_name(engine: YaraEngine, rules: CompiledRules) -> None:
    clean = VirusResult(engine="YARA-X", version=rules.version, result="clean", name="")
    found = VirusResult(engine="YARA-X", version=rules.version, result="infected", name="EICAR-AV-Test")
    assert await ask(engine, CLEAN) == clean
    assert await ask(engine, INFECTED) == found
    assert await engine.scan(MemoryBody(INFECTED, ""), None) == found


async def test_many_at_once_each_get_their_own_answer(engine: YaraEngine) -> None:
    answers = await asyncio.gather(*(ask(engine, INFECTED if n % 3 == 0 else CLEAN) for n in range(200)))
    assert [a.result for a in answers if isinstance(a, VirusResult)] == [
        "infected" if n % 3 == 0 else "clean" for n in range(200)
    ]


async def test_worker_that_dies_at_work_costs_its_neighbours_nothing(engine: YaraEngine) -> None:
    slow = asyncio.gather(ask(engine, SLOW))
    pid = await busy_worker()
    os.kill(pid, signal.SIGKILL)
    os.kill(await busy_worker(other_than=pid), signal.SIGKILL)
    neighbours = await asyncio.gather(*(ask(engine, CLEAN) for _ in range(5)))
    [answer] = await slow
    assert isinstance(answer, VirusResult)
    assert (answer.result, "worker ended" in answer.name) == ("unscannable", True)
    assert all(isinstance(n, VirusResult) and n.result == "clean" for n in neighbours)


async def test_task_that_does_not_end_is_killed(rules: CompiledRules) -> None:
    engine = YaraEngine(rules, workers=1, task_s=0.3)
    await engine.start()
    slow, clean = await asyncio.gather(ask(engine, SLOW), ask(engine, CLEAN))
    engine.close()
    assert isinstance(slow, VirusResult)
    assert (slow.result, slow.name) == ("unscannable", "takes more than 0.3 s")
    assert isinstance(clean, VirusResult)
    assert clean.result == "clean"


async def test_idle_workers_that_die_are_replaced(engine: YaraEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "REBUILD_PAUSE_SECONDS", 0.0)
    [pid] = workers()
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    answer = await ask(engine, CLEAN)
    assert isinstance(answer, VirusResult)
    assert answer.result == "clean"


async def test_workers_that_cannot_start_are_unknown_not_clean(rules: CompiledRules) -> None:
    engine = YaraEngine(CompiledRules(b"no rules", "0"), workers=1)
    answer = await ask(engine, CLEAN)
    engine.close()
    assert isinstance(answer, Unknown)
    assert answer.why.startswith("YARA-X: the worker ended (BrokenProcessPool")


async def test_no_answer_within_the_deadline_is_unknown(rules: CompiledRules) -> None:
    engine = YaraEngine(rules, workers=1, deadline_s=0.2)
    answer = await ask(engine, SLOW)
    engine.close()
    assert answer == Unknown("YARA-X: no answer within 0.2 s, the workers are busy")


async def test_memory_of_a_worker_is_capped(rules: CompiledRules) -> None:
    """An address space that holds the message, but not what its archive unpacks to."""
    engine = YaraEngine(rules, workers=1, memory_bytes_max=230_000_000)
    packed = gzip.compress(os.urandom(1_000_000), 0) * 6 + gzip.compress(b"\0" * 50_000_000)
    text = base64.encodebytes(packed).replace(b"\n", b"\r\n")
    answer = await ask(engine, b"Content-Transfer-Encoding: base64\r\n\r\n" + text)
    after = await ask(engine, CLEAN)
    engine.close()
    assert isinstance(answer, VirusResult)
    assert (answer.result, answer.name) == ("unscannable", "needs too much memory")
    assert isinstance(after, VirusResult)
    assert after.result == "clean"


def large(path: Path, attachment: bytes) -> None:
    """A message of some 60 MB: noise in base64, and the attachment as its last part."""
    noise = base64.encodebytes(os.urandom(57_000)).replace(b"\n", b"\r\n")
    head = b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    with path.open("wb") as file:
        file.write(head)
        for _ in range(770):
            file.write(noise)
        file.write(base64.encodebytes(attachment).replace(b"\n", b"\r\n") + b"--x--\r\n")


def resident_kib() -> int:
    """The peak of this process."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def resident_anew() -> int:
    """What it is once the peak begins anew (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident_kib()


@pytest.mark.parametrize("hidden", ["plain", "zip"])
async def test_a_message_of_60_mb_is_scanned_and_costs_this_process_next_to_nothing(
    engine: YaraEngine, tmp_path: Path, hidden: str
) -> None:
    class Spooled(MemoryBody):
        def pieces(self) -> Iterator[bytes]:
            raise AssertionError("the worker reads it, nobody else")

    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"fine " * 99 + eicar())
    assert eicar() not in into.getvalue()
    path = tmp_path / "1.seg"
    # the noise ends on a whole quartet, so it and the attachment are one content: the archive stands at its end
    large(path, eicar() if hidden == "plain" else into.getvalue())
    body = Spooled(b"", "")
    body.size = path.stat().st_size
    body.place = InFile(str(path), 0, body.size)
    before = resident_anew()
    answer = await engine.scan(body, None)
    assert body.size > 60_000_000
    assert isinstance(answer, VirusResult)
    assert (answer.result, answer.name) == ("infected", "EICAR-AV-Test")
    assert resident_kib() - before < 4_096


async def test_a_body_that_its_place_has_no_more_is_unknown(engine: YaraEngine, tmp_path: Path) -> None:
    body = MemoryBody(b"x", "")
    body.place = InFile(str(tmp_path / "gone.seg"), 0, 1)
    answer = await engine.scan(body, None)
    assert isinstance(answer, Unknown)
    assert "No such file" in answer.why


async def test_too_large_and_unreadable(engine: YaraEngine) -> None:
    class Broken(MemoryBody):
        def pieces(self) -> Iterator[bytes]:
            raise OSError(5, "Input/output error")

    class Huge(MemoryBody):
        __slots__ = ()

    huge = Huge(b"", "")
    huge.size = virus.MESSAGE_BYTES_MAX + 1
    answer = await engine.scan(huge, None)
    assert isinstance(answer, VirusResult)
    assert (answer.result, answer.name) == ("unscannable", "too large")
    unread = await engine.scan(Broken(b"x", ""), None)
    assert isinstance(unread, Unknown)
    assert "Input/output error" in unread.why


async def test_close_answers_who_still_waits(rules: CompiledRules) -> None:
    engine = YaraEngine(rules, workers=1)
    await engine.start()
    waiting = asyncio.gather(*(ask(engine, SLOW) for _ in range(5)))
    await asyncio.sleep(0.1)
    engine.close()
    answers = await waiting
    assert answers == [Unknown("YARA-X: shutting down")] * 5
    after = await ask(engine, CLEAN)
    assert isinstance(after, Unknown)
