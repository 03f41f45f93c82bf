"""A session over SSH: one command for scripts, or a prompt with a pager, history, completion and Ctrl-C."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncssh
import pytest

from pratique.console.ssh import session as session_module
from pratique.console.verbs.verb import VERBS, Call, verb
from tests.conformance.samples import MANAGER
from tests.console.ssh.house import SECONDS, House

PROMPT = "sma.example> "


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    before = dict(VERBS)
    yield
    VERBS.clear()
    VERBS.update(before)


# --- one command
async def test_a_command_has_no_banner_and_no_pager_and_ends_with_its_status(house: House) -> None:
    said = "Current Version\n===============\nName: sma.example\nProduct: Pratique manager\nVersion: 0.1.0\n"
    assert await house.said("version") == (f"{said}Serial #: {MANAGER}\n", "", 0)


async def test_refusals_go_to_the_second_stream_and_the_first_failure_is_the_status(house: House) -> None:
    out, err, status = await house.said("nix; version --json; grep x nolog", "operator")
    facts = {"name": "sma.example", "product": "Pratique", "role": "manager", "version": "0.1.0", "serial": MANAGER}
    assert out == json.dumps(facts) + "\n"
    assert err.splitlines() == [
        "Unknown command: 'nix'. `help` lists those that there are.",
        "grep: there is no log 'nolog'; there are: none",
    ]
    assert status == 2


async def test_exit_ends_the_line(house: House) -> None:
    assert await house.said("exit; version") == ("", "", 0)
    assert (await house.said("nix; quit; version"))[2] == 2


async def test_a_role_without_the_permission_is_refused(house: House) -> None:
    out, err, status = await house.said('grep "CPQ ICID" mail_logs', "guest")
    assert (out, err, status) == ("", "grep: the role guest may not do this.\n", 1)
    assert "grep" not in (await house.said("help", "guest"))[0]


async def test_an_open_quote_is_explained(house: House) -> None:
    out, err, status = await house.said("grep 'x mail_logs")
    assert (out, status) == ("", 2) and "quote texts" in err


async def test_a_question_in_a_script_names_the_words_to_give(house: House) -> None:
    _, err, status = await house.said("passwd")
    assert status == 2 and "give the answer with the command: passwd [OLD NEW]" in err


async def test_nothing_that_drives_a_terminal_goes_out(house: House) -> None:
    @verb("hostile", None)
    async def hostile(call: Call) -> None:
        """Says what mail might hold."""
        call.talk.say("a\x1b]0;title\x07b\x9b2Jc\x00d\re\tf\ud800g")
        call.talk.complain("x\x1b[2Jy\x85z")

    out, err, _ = await house.said("hostile")
    assert (out, err) == ("a]0;titleb2Jcde\tfg\n", "x[2Jyz\n")


async def test_a_verb_that_breaks_is_said_and_logged_without_a_traceback(house: House) -> None:
    @verb("broken", None)
    async def broken(call: Call) -> None:
        """Breaks."""
        raise KeyError("inner")

    out, err, status = await house.said("broken; version")
    assert err == "'broken' failed; the mail log says why.\n" and status == 1
    assert out.startswith("Current Version")


async def test_a_follower_ends_with_its_client(house: House) -> None:
    house.note("first")
    async with house.connect() as connection:
        process = await connection.create_process("tail mail_logs", stdin=asyncssh.DEVNULL)
        assert "first" in await until(process, "first")
        house.note("second")
        assert "second" in await until(process, "second")
        process.close()


async def test_without_a_terminal_lines_come_from_the_standard_input(house: House) -> None:
    async with house.connect() as connection:
        done = await connection.run(input="version --json\nnix\nwhoami\n")
        assert '"version": "0.1.0"' in done.stdout and "User: administrator" in done.stdout
        assert PROMPT not in done.stdout and "help" not in done.stdout
        assert (done.stderr, done.exit_status) == ("Unknown command: 'nix'. `help` lists those that there are.\n", 2)


async def test_more_lines_than_are_kept_ahead_are_all_done(house: House) -> None:
    async with house.connect() as connection:
        done = await asyncio.wait_for(connection.run(input="whoami --json\n" * 1_000), 60)
        assert done.stdout.count("\n") == 1_000 and done.exit_status == 0


# --- at a terminal
async def until(process: Any, text: str) -> str:
    """What comes until `text` has come."""
    seen = ""
    async with asyncio.timeout(SECONDS):
        while text not in seen:
            more = await process.stdout.read(4_096)
            assert more, f"ended before {text!r}: {seen!r}"
            seen += more
    return seen


async def opened(connection: Any, rows: int = 50, columns: int = 80) -> Any:
    process = await connection.create_process(term_type="xterm", term_size=(columns, rows))
    assert "Pratique manager 0.1.0" in await until(process, PROMPT)
    return process


async def typed(process: Any, keys: str, text: str = PROMPT) -> str:
    process.stdin.write(keys)
    return await until(process, text)


async def test_a_prompt_with_editing_history_and_completion(house: House) -> None:
    for name in ("zeta1", "zeta2"):

        @verb(name, None)
        async def zeta(call: Call) -> None:
            """Two that begin alike."""

    async with house.connect() as connection:
        terminal = await opened(connection)
        assert "User: administrator" in await typed(terminal, "whoamx\x7fi\r")
        assert "User: administrator" in await typed(terminal, "\x1b[A\r")  # arrow up
        assert "Name: sma.example" in await typed(terminal, "ver\t\r")
        assert "Unknown command: 'zeta'" in await typed(terminal, "z\t\r", f"are.\r\n{PROMPT}")  # what both share
        assert "Unknown" not in await typed(terminal, "\r")


async def test_ctrl_d_and_exit_end_the_session(house: House) -> None:
    async with house.connect() as connection:
        for keys in ("\x04", "exit\r", "QUIT\r"):
            terminal = await opened(connection)
            terminal.stdin.write(keys)
            done = await asyncio.wait_for(terminal.wait(), SECONDS)
            assert done.exit_status == 0


async def test_ctrl_c_drops_the_line_and_ends_a_live_display(house: House) -> None:
    house.note("first")
    async with house.connect() as connection:
        terminal = await opened(connection)
        assert "^C" in await typed(terminal, "garbage\x03")
        assert "Unknown" not in await typed(terminal, "\r")
        await typed(terminal, "tail mail_logs\r", "first")
        house.note("second")
        await until(terminal, "second")
        assert "third" not in await typed(terminal, "\x03")


async def test_the_pager_stops_after_each_screenful_by_the_height_of_now(house: House) -> None:
    _say_numbers()
    async with house.connect() as connection:
        terminal = await opened(connection, rows=6)
        page = await typed(terminal, "numbers\r", "More-")
        assert page.endswith("line 4\r\n-Press Any Key For More-") and "line 0" in page
        page = await typed(terminal, " ", "More-")
        assert "line 5\r\n" in page and "line 9\r\n" in page and "line 10" not in page
        terminal.change_terminal_size(80, 100)
        rest = await typed(terminal, " ")
        assert "line 10\r\n" in rest and "line 29\r\n" in rest and "More" not in rest


@pytest.mark.parametrize("key", ["q", "\x03"])
async def test_the_pager_can_be_left(house: House, key: str) -> None:
    _say_numbers()
    async with house.connect() as connection:
        terminal = await opened(connection, rows=6)
        await typed(terminal, "numbers\r", "More-")
        assert "line 5" not in await typed(terminal, key)
        assert "User:" in await typed(terminal, "whoami\r")


async def test_a_question_is_asked_and_a_secret_is_not_shown(house: House) -> None:
    async with house.connect("operator") as connection:
        terminal = await opened(connection)
        await typed(terminal, "passwd\r", "Old pass phrase: ")
        shown = await typed(terminal, "not it\r", "New pass phrase: ")
        shown += await typed(terminal, "new secret\r", "again: ")
        shown += await typed(terminal, "new secret\r")
        assert "not it" not in shown and "secret" not in shown.replace("new pass", "")
        assert "the old pass phrase is not right; nothing was changed" in shown
        assert "secret" not in await typed(terminal, "\x1b[A\x1b[A\x1b[A\x15\r")  # nor kept among the earlier lines


@pytest.mark.parametrize("key", ["\x03", "\x04"])
async def test_a_dialogue_can_be_left(house: House, key: str) -> None:
    async with house.connect() as connection:
        terminal = await opened(connection)
        await typed(terminal, "findevent\r", "4. Search by envelope TO\r\n[1]> ")
        shown = await typed(terminal, key, PROMPT if key == "\x03" else "\r\n")
        assert "answer" not in shown and "Usage" not in shown


async def test_a_terminal_that_was_left_alone_is_signed_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "IDLE_SECONDS", 0.2)
    async with house.connect() as connection:
        process = await connection.create_process(term_type="xterm")
        assert "Signed out after" in await until(process, "without a command.")
        assert (await asyncio.wait_for(process.wait(), SECONDS)).exit_status == 0


async def test_output_wraps_at_the_width_of_the_terminal_when_rows_are_counted(house: House) -> None:
    @verb("wide", None)
    async def wide(call: Call) -> None:
        """Says two lines of one and a half widths."""
        assert call.talk.width == 40
        call.talk.say("\n".join(("x" * 60, "y" * 60, "z" * 60)))

    async with house.connect() as connection:
        terminal = await opened(connection, rows=6, columns=40)
        page = await typed(terminal, "wide\r", "More-")
        assert "y" * 20 in page and "z" * 20 not in page


def _say_numbers() -> None:
    @verb("numbers", None)
    async def numbers(call: Call) -> None:
        """Says thirty lines."""
        for number in range(30):
            call.talk.say(f"line {number}")
