"""Changes of the quarantine service that are staged, or wait for a restart, are named; others are not."""

from pathlib import Path

import pytest

from pratique.config.staged import Staged, StagedFiles
from pratique.front.uncommitted import Uncommitted

BASE = '[cpq]\nport = 7025\n\n[[interfaces]]\nname = "Data"\naddress = "127.0.0.1"\n'
PORT = BASE.replace("7025", "7026")


def stage(directory: Path, who: str, text: str, level: str = "") -> None:
    StagedFiles(directory / "configuration" / "staged", level).put(who, Staged(BASE, text))


def made(directory: Path, role: str = "gateway", later: tuple[str, ...] = ()) -> Uncommitted:
    return Uncommitted(directory, role, lambda: list(later))


def test_nothing_waits(tmp_path: Path) -> None:
    found = made(tmp_path, later=("store.reserve_bytes",))
    assert found.check().ok and found.cure() == ""


def test_what_somebody_staged_is_named_until_it_is_committed_or_cleared(tmp_path: Path) -> None:
    found = made(tmp_path)
    stage(tmp_path, "a@b/..c", PORT)
    stage(tmp_path, "bob", BASE.replace("127.0.0.1", "127.0.0.2"), "group Main@1")
    stage(tmp_path, "carl", BASE + "[web]\nenabled = false\n")
    check = found.check()
    assert check.ok is False and check.cure
    assert check.found == (
        "staged and not committed: cpq.port by a@b/..c; interfaces.Data.address by bob for group Main@1"
    )
    assert found.cure() == "Commit or clear what is staged of cpq.port, interfaces.Data.address on the gateway"
    stage(tmp_path, "bob", BASE.replace("Data", "Other"), "group Main@1")
    assert "interfaces.Other.name" in found.check().found
    StagedFiles(tmp_path / "configuration" / "staged", "group Main@1").drop("bob")
    StagedFiles(tmp_path / "configuration" / "staged").drop("a@b/..c")
    assert found.check().ok and found.cure() == ""


@pytest.mark.parametrize(("role", "bears"), [("gateway", False), ("manager", True)])
def test_what_bears_on_the_service_is_of_the_role(tmp_path: Path, role: str, bears: bool) -> None:
    stage(tmp_path, "anna", BASE + "[manager]\npool_bytes = 1\n")
    assert bool(made(tmp_path, role).cure()) is bears


def test_a_file_that_is_none_of_ours_or_no_toml_hides_no_other(tmp_path: Path) -> None:
    stage(tmp_path, "anna", "[cpq\n")
    stage(tmp_path, "bob", PORT)
    (tmp_path / "configuration" / "staged" / "x.json").write_text("{")
    assert made(tmp_path).check().found == "staged and not committed: cpq.port by bob"


def test_what_is_committed_and_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    found = made(tmp_path, later=("cpq.port", "web.port"))
    assert found.check().ok is False and found.check().found.endswith("with the next start only: cpq.port")
    assert found.cure() == "Restart the gateway: cpq.port is committed and not in force"
