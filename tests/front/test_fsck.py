"""`pratique fsck` on real appliances, running and stopped: what a person reads, what is never sent."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pratique.front import fsck
from pratique.front.command import run_command
from pratique.front.fsck import check, rendered
from pratique.quarantine.lifecycle import Mark
from pratique.store.corrupt import corrupt_copies
from tests.front.local_world import made, running
from tests.front.pair import Pair, Place, pair, until


def _flip(place: Place, mid: int) -> None:
    with closing(sqlite3.connect(place.directory / "store" / "store.db")) as db:
        segment, offset = db.execute("SELECT segment, offset FROM copy WHERE mid = ?", (mid,)).fetchone()
    with (place.directory / "spool" / f"{segment:08d}.seg").open("r+b") as file:
        file.seek(offset + 5)
        octet = file.read(1)
        file.seek(offset + 5)
        file.write(bytes([octet[0] ^ 1]))


def _sql(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(place.directory / "store" / "store.db", isolation_level=None)) as db:
        db.execute(statement)


def _said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    capsys.readouterr()
    code = run_command([*map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


async def _held(both: Pair, *subjects: str) -> None:
    await both.start()
    await both.send(*subjects)
    await both.handed_over(len(subjects))


async def test_a_sound_pair_is_sound_running_and_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with pair(tmp_path) as both:
        await _held(both, "one", "two")
        await both.decide("one")
        await until(lambda: both.delivered() == ["one"])
        role: Any = both.gateway.appliance.role
        assert (await role.canary.fly()).why == ""
        for place in (both.manager, both.gateway):
            outcome = await check(place.directory, repair=False, read_bodies=True)
            assert outcome.running
            assert outcome.report.found == []
            await place.stop()
            code, text = await asyncio.to_thread(_said, capsys, "fsck", place.directory)
            assert code == 0
            assert "the store agrees with itself and its spool" in text
            assert "running appliance" not in text


async def test_a_corrupt_body_in_quarantine_is_alarmed_and_not_released_until_it_is_proved(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _held(both, "good", "bad")
        async with _faces(both.manager):
            mid = both.mid_of("bad")
            _flip(both.manager, mid)
            outcome = await check(both.manager.directory, repair=False, read_bodies=True)
            assert outcome.running
            assert list(outcome.report.corrupt) == [mid]
            assert list(corrupt_copies(both.manager.view)) == [mid]
            assert both.manager.grep(f"Critical: MID {mid} is CORRUPT: its stored body does not match")
            refused = await both.decide("bad")
            assert (refused.done, "CORRUPT" in refused.why) == (False, True)
            assert (await both.decide("good")).done
            await until(lambda: both.delivered() == ["good"])
            _flip(both.manager, mid)
            assert (await check(both.manager.directory, repair=False, read_bodies=True)).report.proved == (mid,)
            assert corrupt_copies(both.manager.view) == {}
            assert (await both.decide("bad")).done
            await until(lambda: both.delivered() == ["bad", "good"])


def _faces(place: Place) -> Any:
    """The control socket, as `pratique run` opens it."""
    from contextlib import asynccontextmanager

    from pratique.front.faces import Faces

    @asynccontextmanager
    async def opened() -> Any:
        faces = Faces(place.appliance)
        await faces.start()
        try:
            yield
        finally:
            await faces.stop()

    return opened()


async def test_a_corrupt_body_of_a_stopped_gateway_is_never_handed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()  # the manager is away: mail waits here
        await both.send("good", "bad")
        bad = [mid for mid, _, _ in gateway.view.live_bodies()][1]
        await gateway.stop()
        _flip(gateway, bad)
        code, text = await asyncio.to_thread(_said, capsys, "fsck", gateway.directory)
        assert code == 1
        assert f"corrupt: MID {bad}: its stored body does not match" in text
        assert "cure: it is never delivered" in text
        await gateway.start()
        assert gateway.grep(f"Critical: known to be CORRUPT, kept and never delivered: MID {bad};")
        await both.manager.start()
        await both.held(1)
        assert both.manager.view.copy(both.mid_of("good")).subject == "good"
        await until(lambda: gateway.grep(f"MID {bad} cannot be read from the spool"))
        assert gateway.view.copy(bad).extent is not None


async def test_wrong_counts_are_repaired_before_a_start_frees_bodies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pair(tmp_path) as both:
        await _held(both, "one")
        for place in (both.gateway, both.manager):
            await place.stop()
        _sql(both.manager, "UPDATE segment SET live = 0")
        code, text = await asyncio.to_thread(_said, capsys, "fsck", both.manager.directory, "--json")
        told = json.loads(text)
        assert (code, told["clean"], told["counted"]) == (1, False, {"count": 1})
        assert "--repair" in told["found"][0]["cure"]
        code, text = await asyncio.to_thread(_said, capsys, "fsck", both.manager.directory, "--repair")
        assert code == 0
        assert "REPAIRED count: segment 1 counts 0 bodies, rows name 1" in text
        await both.start()
        assert (await both.decide("one", Mark.RELEASED)).done
        await until(lambda: both.delivered() == ["one"])


async def test_what_is_refused_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "gw"
    await made("gateway", directory)
    async with running(directory):
        code, text = await asyncio.to_thread(_said, capsys, "fsck", directory, "--repair")
        assert code == 1
        assert "stop it first" in text
    code, text = await asyncio.to_thread(_said, capsys, "fsck", directory, "--quick")
    assert (code, "not read" in text) == (0, True)
    code, text = await asyncio.to_thread(_said, capsys, "fsck", tmp_path / "nothing")
    assert code == 1
    assert "Traceback" not in text
    assert _said(capsys, "fsck")[0] == 2


async def test_progress_is_told_where_it_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(fsck, "OTHER_SECONDS", 0.0)
    async with pair(tmp_path) as both:
        await _held(both, "one")
        outcome = await check(both.manager.directory, repair=False, read_bodies=True)
    assert "bodies read: 100%" in capsys.readouterr().err
    assert "1 copies, 1 bodies" in rendered(outcome)
