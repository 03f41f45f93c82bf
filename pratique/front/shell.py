"""`pratique shell`: the operators' command line on the machine itself, spoken to the running appliance over its control
socket (front/shell_talk.py has the words). Verbs run there; here are the prompt, the pager and the answers.

Plain blocking calls: nothing else happens in this process, and Ctrl-C must reach a prompt that waits.
"""

import getpass
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pratique.console.verbs.verb import prompt_of
from pratique.front.control import first_line, socket_path
from pratique.front.files import read_options
from pratique.front.local import LocalRefused

PAGER = "-Press Any Key For More-"
ENDED_BY_SIGNAL = 130


class Terminal(Protocol):
    """Where lines come from and go to."""

    interactive: bool

    def size(self) -> tuple[int, int]: ...
    def line(self, prompt: str) -> str:
        """Raises EOFError, KeyboardInterrupt."""
        ...

    def secret(self, prompt: str) -> str: ...
    def key(self) -> str: ...
    def write(self, text: str) -> None: ...
    def complain(self, text: str) -> None: ...


class Console:
    """The terminal that this process was started at, or its standard streams."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()

    def size(self) -> tuple[int, int]:
        found = shutil.get_terminal_size((80, 24))
        return found.columns, found.lines

    def line(self, prompt: str) -> str:
        if self.interactive:
            return input(prompt)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def secret(self, prompt: str) -> str:
        return getpass.getpass(prompt)

    def key(self) -> str:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            return os.read(sys.stdin.fileno(), 16).decode("utf-8", "replace")[:1]
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def complain(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()

    def complete(self, names: Callable[[], list[str]]) -> None:
        """Line editing, history of this session, and Tab for the verbs."""
        import readline

        def offer(begun: str, state: int) -> str | None:
            found = [name + " " for name in names() if name.startswith(begun.lower())]
            return found[state] if readline.get_begidx() == 0 and state < len(found) else None

        readline.set_completer(offer)
        readline.set_completer_delims(" ;")
        readline.parse_and_bind("tab: complete")


class Shell:
    """One connection to the appliance."""

    def __init__(self, sock: socket.socket, terminal: Terminal) -> None:
        self._sock = sock
        self._read = b""
        self._terminal = terminal
        self._rows = 0
        self._paged = False
        self._skipping = False
        self.prompt = "> "  # the appliance says the next one with each answer

    def run(self, line: str, *, paged: bool) -> tuple[int, bool]:
        """Do one line; its exit status, and whether it ended the session. Raises LocalRefused, OSError."""
        self._rows, self._paged, self._skipping = 0, paged, False
        width = self._terminal.size()[0]
        self._send({"command": "verb", "arguments": {"line": line, "width": width}})
        while True:
            try:
                told = json.loads(self._line() or b'{"ok": false, "error": "the appliance has ended"}')
                if "ok" in told:
                    break
                self._heed(told)
            except KeyboardInterrupt:
                self._send({"stop": True})
                self._terminal.write("^C\n")
        if not told["ok"]:
            raise LocalRefused(str(told.get("error", "the appliance refused")))
        self.prompt = str(told["result"].get("prompt", self.prompt))
        return int(told["result"]["status"]), bool(told["result"]["ended"])

    def names(self) -> list[str]:
        """The verbs that there are."""
        heard: list[str] = []
        terminal, self._terminal = self._terminal, _Heard(heard)
        try:
            self.run("help --json", paged=False)
        finally:
            self._terminal = terminal
        return [row["name"] for row in json.loads("".join(heard))]

    def _line(self) -> bytes:
        """The next line; b"" at the end. What was read before a Ctrl-C is kept for the next call."""
        while b"\n" not in self._read:
            octets = self._sock.recv(65_536)
            if not octets:
                return b""
            self._read += octets
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _send(self, said: dict[str, Any]) -> None:
        self._sock.sendall(json.dumps(said).encode() + b"\n")

    def _heed(self, told: dict[str, Any]) -> None:
        if "text" in told:
            self._show(told["text"])
        elif "complaint" in told:
            self._terminal.complain(told["complaint"])
        elif "ask" in told:
            self._send(self._answer(told["ask"], told.get("default", ""), secret=bool(told.get("secret"))))
        elif "live" in told:
            self._paged = False

    def _answer(self, question: str, default: str, *, secret: bool) -> dict[str, Any]:
        if not self._terminal.interactive:
            return {"answer": None}
        self._rows = 0
        prompt = prompt_of(question, default, secret=secret)
        try:
            return {"answer": self._terminal.secret(prompt) if secret else self._terminal.line(prompt).strip()}
        except (EOFError, KeyboardInterrupt):
            self._terminal.write("\n")
            return {"stop": True}

    def _show(self, text: str) -> None:
        if not self._paged:
            self._terminal.write(text)
            return
        columns, rows_max = self._terminal.size()
        for line in text.splitlines(keepends=True):
            if self._skipping:
                return
            rows = max(1, -(-len(line.rstrip("\n")) // max(columns, 1)))
            if self._rows and self._rows + rows > rows_max - 1:
                self._wait_for_key()
            if not self._skipping:
                self._rows += rows
                self._terminal.write(line)

    def _wait_for_key(self) -> None:
        self._terminal.write(PAGER)
        try:
            key = self._terminal.key()
        except KeyboardInterrupt:
            key = "q"
        self._terminal.write("\r" + " " * len(PAGER) + "\r")
        self._rows = 0
        if key in ("q", "Q", "\x03", ""):
            self._skipping = True
            self._send({"stop": True})


class _Heard:
    """A Terminal that keeps what it is told."""

    interactive = False

    def __init__(self, heard: list[str]) -> None:
        self.write = heard.append

    def size(self) -> tuple[int, int]:
        return 80, 0

    def line(self, prompt: str) -> str:
        raise EOFError

    def secret(self, prompt: str) -> str:
        raise EOFError

    def key(self) -> str:
        return ""

    def complain(self, text: str) -> None:
        return


def shell(directory: Path, command: str, console: Console | None = None) -> int:
    """The exit status: that of the first command that failed; 0 at the end of a session at a terminal. Raises
    LocalRefused, BadConfiguration."""
    terminal = console or Console()
    with _connected(directory) as sock:
        session = Shell(sock, terminal)
        if command:
            return session.run(command, paged=False)[0]
        if terminal.interactive:
            names = session.names()
            terminal.complete(lambda: names)
        return _loop(session, terminal)


def _loop(session: Shell, terminal: Terminal) -> int:
    status = 0
    while True:
        try:
            line = terminal.line(session.prompt)
        except KeyboardInterrupt:
            terminal.write("^C\n")
            continue
        except EOFError:
            if terminal.interactive:
                terminal.write("\n")
            return 0 if terminal.interactive else status
        done, ended = session.run(line, paged=terminal.interactive)
        status = status or done
        if ended:
            return 0 if terminal.interactive else status


@contextmanager
def _connected(directory: Path) -> Any:
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with sock, socket_path(directory) as path:
            sock.connect(path)
            sock.sendall(first_line(directory))
            yield sock
    except PermissionError as error:
        raise LocalRefused(
            f"{directory} belongs to another user; run this as that user or as root, for instance with sudo"
        ) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        read_options(directory)  # a fault there may be why; what runs can be steered whatever the file says meanwhile
        raise LocalRefused(
            f"the appliance of {directory} does not run; start it with `pratique run {directory}`. What works without: "
            "`pratique list`, `show`, `release`, `delete`, `passwd`"
        ) from error
