"""`pratique shell` against a running appliance: lines, questions, pager, Ctrl-C; and what it says of a stopped one."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pratique.console.verbs.verb import VERBS, Call, load_verbs, verb
from pratique.front.command import run_command
from pratique.front.files import BadConfiguration
from pratique.front.local import LocalRefused, ask
from pratique.front.shell import PAGER, Console, shell
from pratique.store.records import AuditEntry
from pratique.telemetry.events import Note
from tests.front.local_world import made, running

load_verbs()  # before a fixture remembers the registry
END, INTERRUPT = "\x04", "\x03"


@dataclass
class Desk(Console):
    """A terminal whose keys are a list of lines; END and INTERRUPT are Ctrl-D and Ctrl-C."""

    lines: list[str] = field(default_factory=list)
    interactive: bool = True
    rows: int = 50
    keys: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    completions: list[str] = field(default_factory=list)

    def size(self) -> tuple[int, int]:
        return 80, self.rows

    def line(self, prompt: str) -> str:
        self.shown.append(prompt)
        line = self.lines.pop(0) if self.lines else END
        if line == END:
            raise EOFError
        if line == INTERRUPT:
            raise KeyboardInterrupt
        return line

    def secret(self, prompt: str) -> str:
        return self.line(f"(hidden) {prompt}")

    def key(self) -> str:
        return self.keys.pop(0)

    def write(self, text: str) -> None:
        self.shown.append(text)

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    def complete(self, names: Callable[[], list[str]]) -> None:
        self.completions = names()

    @property
    def text(self) -> str:
        return "".join(self.shown)


@pytest.fixture(autouse=True)
def own_registry() -> Any:
    before = dict(VERBS)
    yield
    VERBS.clear()
    VERBS.update(before)


async def _at(directory: Path, desk: Desk, command: str = "") -> int:
    return await asyncio.to_thread(shell, directory, command, desk)


async def test_a_session_at_a_terminal(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")
    desk = Desk(lines=["version", "nix", INTERRUPT, "", "whoami", "exit", "version"])
    async with running(tmp_path / "gw"):
        assert await _at(tmp_path / "gw", desk) == 0
    assert desk.text.startswith("gateway.example> Current Version\n===============\nName: gateway.example\n")
    assert desk.complaints == ["Unknown command: 'nix'. `help` lists those that there are.\n"]
    assert "^C\ngateway.example> gateway.example> User: local:" in desk.text and "Signed in by: local" in desk.text
    assert desk.lines == ["version"] and {"help", "grep", "version"} <= set(desk.completions)


async def test_one_command_gives_its_text_and_status(tmp_path: Path) -> None:
    await made("manager", tmp_path / "sma")
    desk = Desk(interactive=False)
    async with running(tmp_path / "sma") as appliance:
        assert await _at(tmp_path / "sma", desk, "version --json; nix; grep x nolog") == 2
        await appliance.store.submit(_marked("x"))  # the appliance is as well as before
    shown = json.loads(desk.text)
    assert (shown["name"], shown["role"], shown["version"]) == ("manager.example", "manager", "0.1.0")
    assert len(desk.complaints) == 2


def _marked(what: str) -> Any:
    from pratique.store.moves import Record

    return Record((AuditEntry("system", what),))


async def test_an_appliance_that_runs_is_steered_whatever_its_file_says_meanwhile(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")
    async with running(tmp_path / "gw"):
        (tmp_path / "gw" / "pratique.toml").write_text("nonsense = [", encoding="utf-8")
        desk = Desk()
        assert await _at(tmp_path / "gw", desk, "version") == 0
        assert "Name: gateway.example" in desk.text
        assert (await ask(tmp_path / "gw", "list", quarantine="", offset=0))["role"] == "gateway"
    with pytest.raises(BadConfiguration):
        shell(tmp_path / "gw", "version", Desk())


async def test_lines_of_a_file_are_done_one_after_the_other(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")
    desk = Desk(lines=["whoami", "passwd", "version"], interactive=False)
    async with running(tmp_path / "gw"):
        assert await _at(tmp_path / "gw", desk) == 2
    assert "Nobody can answer here" in desk.complaints[0] and "Version: " in desk.text


async def test_questions_are_asked_at_the_terminal(tmp_path: Path) -> None:
    heard: list[str] = []

    @verb("survey", None)
    async def survey(call: Call) -> None:
        """Asks."""
        heard.append(await call.word(0, "Which host?", "all"))
        heard.append(await call.talk.ask("Secret:", secret=True))
        call.talk.say("thanks")
        heard.append(await call.talk.ask("More?"))

    await made("gateway", tmp_path / "gw")
    desk = Desk(lines=["survey", "", "swordfish", INTERRUPT, "version"])
    async with running(tmp_path / "gw"):
        await _at(tmp_path / "gw", desk)
    assert heard == ["all", "swordfish"]
    assert "Which host?\n[all]> (hidden) Secret: thanks\nMore?\n[]> " in desk.text
    assert desk.complaints == [] and "Version: " in desk.text


async def test_the_pager_and_its_end(tmp_path: Path) -> None:
    @verb("numbers", None)
    async def numbers(call: Call) -> None:
        """Says lines until nobody wants more."""
        for number in range(1_000_000):
            call.talk.say(f"line {number}")
            if number % 10 == 9 and not await call.talk.pause(0):
                break
        stopped.append(number)

    stopped: list[int] = []
    await made("gateway", tmp_path / "gw")
    desk = Desk(lines=["numbers", "version"], rows=6, keys=[" ", "q", " "])
    async with running(tmp_path / "gw"):
        await _at(tmp_path / "gw", desk)
    assert desk.text.count(PAGER) == 3 and "line 9\n" in desk.text and "line 10\n" not in desk.text
    assert stopped[0] < 999_999, "the appliance goes on for nobody"
    assert "Version: " in desk.text


async def test_ctrl_c_ends_a_live_display(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")

    class Impatient(Desk):
        def write(self, text: str) -> None:
            super().write(text)
            if "Begin Logfile" in text:
                raise KeyboardInterrupt  # as the signal does, wherever the process is

    desk = Impatient(lines=["tail mail_logs", "version"], rows=7)
    async with running(tmp_path / "gw") as appliance:
        for number in range(6):
            appliance.mail_log.emit(Note(message=f"line {number}"))
        appliance.mail_log.flush()
        await asyncio.wait_for(_at(tmp_path / "gw", desk), 20)
    assert "^C\n" in desk.text and "Version: " in desk.text and PAGER not in desk.text


async def test_nothing_that_drives_a_terminal_is_shown(tmp_path: Path) -> None:
    @verb("hostile", None)
    async def hostile(call: Call) -> None:
        """Says what mail might hold."""
        call.talk.say("a\x1b]0;t\x07b\x9bc" + "d" * 200_000)
        call.talk.complain("x\x1b[2Jy")

    await made("gateway", tmp_path / "gw")
    desk = Desk(interactive=False)
    async with running(tmp_path / "gw"):
        await _at(tmp_path / "gw", desk, "hostile")
    assert desk.text == "a]0;tbc" + "d" * 200_000 + "\n" and desk.complaints == ["x[2Jy\n"]


async def test_a_stopped_appliance_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await made("gateway", tmp_path / "gw")
    with pytest.raises(LocalRefused, match="does not run; start it with `pratique run"):
        shell(tmp_path / "gw", "version", Desk())
    async with running(tmp_path / "gw"):
        pass  # leaves the directory of the socket behind
    assert run_command(["shell", str(tmp_path / "gw"), "version"]) == 1
    assert "does not run" in capsys.readouterr().err


async def test_a_client_that_leaves_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")

    class Leaving(Desk):
        def write(self, text: str) -> None:
            raise ConnectionAbortedError

    async with running(tmp_path / "gw") as appliance:
        appliance.mail_log.flush()
        with pytest.raises(ConnectionAbortedError):
            await _at(tmp_path / "gw", Leaving(interactive=False), "tail mail_logs")
        desk = Desk(interactive=False)
        assert await _at(tmp_path / "gw", desk, "version") == 0
