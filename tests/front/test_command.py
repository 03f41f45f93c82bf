"""The command line in this process: exit codes, words for people, JSON for programs."""

import json
import re
from pathlib import Path

import pytest
from cyclopts import App

from pratique import __version__
from pratique.front.command import app, run_command


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run_command([str(word) for word in words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_help_and_version_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--help")
    assert code == 0
    for command in (
        "init",
        "run",
        "enroll",
        "check-config",
        "doctor",
        "demo",
        "list",
        "show",
        "release",
        "delete",
        "passwd",
    ):
        assert command in out
    assert _run(capsys, "--version")[:2] == (0, f"{__version__}\n")
    assert _run(capsys, "init", "--help")[0] == 0


@pytest.mark.parametrize(
    "words", [["nonsense"], ["init"], ["init", "king", "x"], ["run"], ["run", "a", "b"], ["check-config", "--loud"]]
)
def test_wrong_usage_is_2_and_names_the_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = _run(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("pratique: ") and "--help" in err


@pytest.mark.parametrize(("words", "known"), [(["nonsense"], app), (["user", "eat"], app["user"])])
def test_an_unknown_command_is_told_all_there_are(
    capsys: pytest.CaptureFixture[str], words: list[str], known: App
) -> None:
    _, _, err = _run(capsys, *words)
    assert err.startswith(f'pratique: there is no command "{words[-1]}"; the commands are: ')
    assert set(err.split("are: ")[1].split("\n")[0].split(", ")) == {n for n in known if not n.startswith("-")}


def test_every_argument_has_a_text_and_no_switch_is_without_a_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [[name] for name in app if not name.startswith("-") and name != "user"]
    commands += [["user", name] for name in app["user"] if not name.startswith("-")]
    assert len(commands) > 15
    for words in commands:
        _, out, _ = _run(capsys, *words, "--help")
        assert "--empty" not in out
        entries = [line[1:-1].rstrip() for line in out.splitlines() if re.match("│ .*[A-Z]", line)]
        bare = [line for line in entries if re.fullmatch(r" [* ] +([A-Z-]+|--\S+( [A-Z]+)*)( +\[.*\])*", line)]
        assert not bare, (words, bare)


def test_refusals_are_1_and_say_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["run", tmp_path], ["check-config", tmp_path], ["enroll", tmp_path, "--show"], ["list", tmp_path]):
        code, out, err = _run(capsys, *words)
        assert (code, out) == (1, ""), words
        assert "pratique init" in err and "Traceback" not in err


def test_from_nothing_to_two_enrolled_appliances(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    papers = {}
    for role in ("manager", "gateway"):
        words = ["init", role, tmp_path / role, "--name", f"{role}.test", "--set", "cpq.address=127.0.0.9"]
        code, out, err = _run(capsys, *words, "--admin-password-file", secret)
        assert code == 0, err
        assert f"{role}.test ({role}, serial " in out and "correct horse" not in out
        code, papers[role], _ = _run(capsys, "enroll", tmp_path / role, "--show")
        assert code == 0 and json.loads(papers[role])["role"] == role
    file = tmp_path / "paper.json"
    file.write_text(papers["gateway"])
    code, out, err = _run(capsys, "enroll", tmp_path / "manager", file)
    assert (code, "gateway.test" in out) == (0, True), err
    serial = json.loads(papers["gateway"])["serial"]
    assert _run(capsys, "enroll", tmp_path / "manager", "--withdraw", serial)[0] == 0
    assert _run(capsys, "enroll", tmp_path / "manager", "--unlock", "UNKNOWN0000000000001")[0] == 1
    assert _run(capsys, "enroll", tmp_path / "manager")[0] == 1  # neither a file nor --show
    assert _run(capsys, "check-config", tmp_path / "manager", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize("option", ["cpq.port", "=5", "nonsense.x=1", "cpq.port=many"])
def test_set_takes_option_and_value(capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str) -> None:
    code, out, err = _run(capsys, "init", "manager", tmp_path / "x", "--set", option)
    assert (code, out) == (1, "") and err
    assert not (tmp_path / "x" / "pratique.toml").exists()


def test_a_defect_of_ours_is_said_to_be_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.delenv("PRATIQUE_TRACEBACK", raising=False)
    monkeypatch.setattr("pratique.front.files.read_options", broken)
    code, out, err = _run(capsys, "check-config", tmp_path)
    assert (code, out) == (1, "")
    assert "a defect (ZeroDivisionError: oops)" in err and "Traceback" not in err
