"""The file of a configuration over crashes: the former or the new one, and the audit says which."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.console.commands.staging import Change, NotConfigured
from pratique.front.own_file import FOUND, OwnFile
from tests.console.verbs.configured import Configured, configured, make_gateway

CHANGE = Change("anna", "more lines")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gateway(tmp_path_factory.mktemp("made") / "gw")


@pytest.fixture
async def gw(made: Path, tmp_path: Path) -> AsyncIterator[Configured]:
    async with configured(made, tmp_path) as world:
        yield world


class Crash(BaseException):
    """The power fails here."""


def next_life(gw: Configured) -> OwnFile:
    return OwnFile(gw.directory, gw.rest.store, gw.rest.clock, list)


def rows(gw: Configured) -> list[tuple[str, str]]:
    return [(who, what) for who, what, _ in gw.audit()]


async def crashed(gw: Configured, text: str, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        if where == "before the rename":
            rename = os.rename
            patch.setattr(
                os, "rename", lambda old, new: crash() if str(new).endswith("pratique.toml") else rename(old, new)
            )
        else:
            patch.setattr(OwnFile, "_record", crash)
        with pytest.raises(Crash):
            await gw.own.commit(gw.text, text, CHANGE)


async def test_a_crash_before_the_rename_leaves_the_former_and_no_trace(
    gw: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gw.text
    await crashed(gw, before + "# new\n", monkeypatch, "before the rename")
    assert gw.text == before
    again = next_life(gw)
    assert [one.comment for one in again.history()] == ["more lines", FOUND]
    await again.settle()
    assert [one.comment for one in again.history()] == [FOUND]
    assert rows(gw) == []
    await again.commit(before, before + "# newer\n", CHANGE)
    assert gw.text == before + "# newer\n" and rows(gw) == [("anna", "commit-configuration")]


async def test_a_crash_behind_the_rename_is_a_commit_whose_row_comes_with_the_next_start(
    gw: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = gw.text + "# new\n"
    await crashed(gw, new, monkeypatch, "behind the rename")
    assert gw.text == new and rows(gw) == []
    again = next_life(gw)
    await again.settle()
    await again.settle()
    assert rows(gw) == [("anna", "commit-configuration")]
    detail = json.loads(gw.audit()[0][2])
    assert detail["comment"] == "more lines" and "+# new" in detail["difference"]
    assert again.history()[0].by == "anna" and len(again.history()) == 2


async def test_a_hand_edit_after_a_crash_is_a_hand_edit(gw: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    await crashed(gw, gw.text + "# new\n", monkeypatch, "before the rename")
    gw.path.write_text(gw.text + "# by hand\n")
    again = next_life(gw)
    await again.settle()
    assert rows(gw) == [("file", "edit-configuration")]
    assert [one.comment for one in again.history()] == ["edited by hand", FOUND]


async def test_a_file_that_changed_this_very_moment_is_not_written_over(gw: Configured) -> None:
    seen = gw.text
    gw.path.write_text(seen + "# by hand\n")
    with pytest.raises(NotConfigured, match="commit again"):
        await gw.own.commit(seen, seen + "# mine\n", CHANGE)
    assert gw.text == seen + "# by hand\n"


async def test_the_text_in_force_is_found_in_the_history(gw: Configured) -> None:
    (found,) = gw.own.history()
    assert gw.own.version(found.number) == gw.text
    assert gw.own.version(99) is None


async def test_who_this_appliance_is_stays(gw: Configured) -> None:
    assert gw.own.check(gw.text) == []
    (problem,) = gw.own.check(gw.text.replace('serial = "', 'serial = "A')[: len(gw.text) * 2].replace("AA", "A"))
    assert problem.key == "appliance.serial"
