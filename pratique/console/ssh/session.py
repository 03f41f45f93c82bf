"""One session of a signed-in client (RFC 4254 §6): a command line with a prompt, or the one command that came with the
request.

There is no shell behind it, no subsystem (so neither sftp nor scp), and what a client says of its environment is not
looked at.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncssh

from pratique.console.access.signin import SignInRefused
from pratique.console.remote.interface import Reception, Visit
from pratique.console.ssh.keyboard import Interrupted, Keyboard
from pratique.console.ssh.limits import IDLE_SECONDS, LINES_AHEAD_MAX
from pratique.console.ssh.talk import SshTalk, within
from pratique.console.verbs.line import SIGN_IN_OVER
from pratique.console.verbs.verb import FAILED
from pratique.mail.text import screen_text

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is served: `entering` gives his ticket, "" when he was refused after all. `machine`: another appliance, which
    has one command and no prompt."""

    reception: Reception
    entering: "asyncio.Task[str]"
    spawn: Spawn
    machine: bool = False


class Session(asyncssh.SSHServerSession[str]):
    """Also the Screen of its talk."""

    _chan: asyncssh.SSHServerChannel[str]

    def __init__(self, guest: Guest, *, gone: Callable[[], None]) -> None:
        self._guest = guest
        self._names: tuple[str, ...] = ()
        self._gone = gone
        self._command: str | None = None
        self._terminal = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._left = False
        self._task: asyncio.Task[Any] | None = None
        self._keyboard = Keyboard(ahead_max=LINES_AHEAD_MAX, pause=self._hold, resume=self._go_on)

    # --- what the client asks for
    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._chan = chan

    def connection_lost(self, exc: Exception | None) -> None:
        self._left = True
        self._writable.set()
        self._keyboard.leave()
        self._gone()

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        self._terminal = not self._guest.machine
        return self._terminal

    def shell_requested(self) -> bool:
        return not self._guest.machine

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        return False

    def session_started(self) -> None:
        if self._terminal and self._command is None:
            self._chan.register_key("\t", self._complete)  # type: ignore[attr-defined]
        self._task = self._guest.spawn(self._serve(), "ssh session")

    def data_received(self, data: str, datatype: Any) -> None:
        self._keyboard.feed(data)

    def eof_received(self) -> bool:
        self._keyboard.end()
        return True  # the channel stays open for what is still to be said

    def soft_eof_received(self) -> None:
        self._keyboard.end(pressed=True)

    def break_received(self, msec: int) -> bool:
        self._keyboard.interrupt()
        return True

    def signal_received(self, signal: str) -> None:
        if signal in ("INT", "TERM", "HUP"):
            self._keyboard.interrupt()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- the work
    async def _serve(self) -> None:
        status = FAILED
        try:
            status = await self._visit()
        except SignInRefused:
            self.write(f"{SIGN_IN_OVER}\n", error=True)
        finally:
            if not self._left:
                self._chan.exit(status)

    async def _visit(self) -> int:
        """Raises SignInRefused."""
        greeted = self._terminal and self._command is None
        ticket = await asyncio.shield(self._guest.entering)
        visit = await self._guest.reception.visit(ticket, greeted=greeted)
        try:
            return await (self._one_command(visit) if self._command is not None else self._command_line(visit))
        finally:
            visit.close()

    async def _one_command(self, visit: Visit) -> int:
        talk = SshTalk(self, self._keyboard, terminal=self._terminal, paged=False)
        done = await visit.run(self._command or "", talk)
        await talk.let_out()
        return done.status

    async def _command_line(self, visit: Visit) -> int:
        """Without a terminal: lines from a file, no prompt, and the status of the first that failed."""
        talk = SshTalk(self, self._keyboard, terminal=self._terminal, paged=self._terminal)
        standing, status = visit.standing, 0
        self.write(visit.greeting)
        while not self._left:
            self._names = standing.names
            try:
                line = await self._prompted(standing.prompt)
            except TimeoutError:
                self.write(f"\nSigned out after {IDLE_SECONDS / 60:.0f} minutes without a command.\n")
                return status
            if line is None:
                break
            talk.begin()
            done = await visit.run(line, talk)
            await talk.let_out()
            standing = done.standing
            status = status or done.status
            if done.ended:
                break
        return 0 if self._terminal else status

    async def _prompted(self, prompt: str) -> str | None:
        while True:
            if self._terminal:
                self.write(screen_text(prompt))
            try:
                return await within(IDLE_SECONDS, self._keyboard)
            except Interrupted:
                if self._terminal:
                    self._chan.clear_input()  # type: ignore[attr-defined]
                self.write("^C\n")

    def _complete(self, line: str, position: int) -> tuple[str, int] | bool:
        """Tab: the verb that begins so, or as much of it as all that begin so share."""
        begun = line[:position].lower()
        if " " in begun:
            return False
        found = [name for name in self._names if name.startswith(begun)]
        if not found:
            return False
        shared = found[0] if len(found) > 1 else found[0] + " "
        while not all(name.startswith(shared.rstrip()) for name in found):
            shared = shared[:-1]
        return shared + line[position:].lstrip(), len(shared)

    # --- Screen
    @property
    def size(self) -> tuple[int, int]:
        columns, rows = self._chan.get_terminal_size()[:2]
        return columns, rows

    def write(self, text: str, *, error: bool = False) -> None:
        if self._left or not text:
            return
        try:
            if error:
                self._chan.write_stderr(text)
            else:
                self._chan.write(text)
        except (BrokenPipeError, OSError):
            self._left = True
            self._keyboard.leave()

    async def drained(self) -> None:
        await self._writable.wait()

    def raw(self, on: bool) -> None:
        if not self._left:
            self._chan.set_line_mode(not on)  # type: ignore[attr-defined]

    def echo(self, on: bool) -> None:
        if not self._left:
            self._chan.set_echo(on)  # type: ignore[attr-defined]

    def _hold(self) -> None:
        self._chan.pause_reading()

    def _go_on(self) -> None:
        self._chan.resume_reading()
