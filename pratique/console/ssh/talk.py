"""A client of the SSH face as verbs see it: lines out (through a pager where one is wanted), questions, waits.

Invariant: nothing goes out that has not been through `screen_text`.
"""

import asyncio
from typing import Protocol

from pratique.console.ssh.keyboard import Interrupted, Keyboard
from pratique.console.ssh.limits import TERMINAL_COLUMNS_MAX
from pratique.console.verbs.verb import NoAnswer, Withdrawn, prompt_of
from pratique.mail.text import screen_text

PAGER = "-Press Any Key For More-"
COLUMNS = 80  # where there is no terminal


class Screen(Protocol):
    """The channel to the client."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns, rows; 0 = unknown."""
        ...

    def write(self, text: str, *, error: bool = False) -> None:
        """Dropped when the client has left."""
        ...

    async def drained(self) -> None:
        """Returns when the client has taken most of what was written, or has left."""
        ...

    def raw(self, on: bool) -> None:
        """Keys come as they are pressed."""
        ...

    def echo(self, on: bool) -> None: ...


class SshTalk:
    """`terminal`: somebody sits there. `paged`: a pager stops after each screenful."""

    def __init__(self, screen: Screen, keyboard: Keyboard, *, terminal: bool, paged: bool) -> None:
        self._screen = screen
        self._keyboard = keyboard
        self._terminal = terminal
        self._paged = paged
        self._said: list[str] = []
        self._rows = 0  # on the screen since the pager last waited
        self._skipping = False  # the listener wants no more of this command

    # --- Talk
    @property
    def width(self) -> int:
        columns = self._screen.size[0]
        return min(columns, TERMINAL_COLUMNS_MAX) if self._terminal and columns else COLUMNS

    def say(self, text: str = "") -> None:
        if not self._skipping:
            self._said += screen_text(text).split("\n")

    def complain(self, text: str) -> None:
        if self._terminal:
            self.say(text)  # a terminal has one stream, and the order matters there
        else:
            self._screen.write(screen_text(text) + "\n", error=True)

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        if not self._terminal or self._keyboard.ended:
            raise NoAnswer(question)
        await self.let_out()
        self._screen.write(screen_text(prompt_of(question, default, secret=secret)))
        self._screen.echo(not secret)
        try:
            answer = await self._keyboard.line()
        except Interrupted:
            answer = None
        finally:
            self._screen.echo(True)
        self._rows = 0
        if answer is None:
            self._screen.write("\n")
            raise Withdrawn(question)
        return answer if secret else answer.strip()

    async def pause(self, seconds: float) -> bool:
        await self.let_out(live=seconds > 0)
        if self._skipping or self._keyboard.gone:
            return False
        if seconds > 0:
            return await self._keyboard.quiet(seconds)
        return True

    # --- for the session
    def begin(self) -> None:
        """A new command."""
        self._rows = 0
        self._skipping = False
        self._keyboard.forget_interrupt()

    async def let_out(self, *, live: bool = False) -> None:
        """Write what was said."""
        lines, self._said = self._said, []
        if live or not self._paged or self._screen.size[1] < 2:
            if lines:
                self._screen.write("\n".join(lines) + "\n")
        else:
            for line in lines:
                await self._page(line)
        await self._screen.drained()

    async def _page(self, line: str) -> None:
        rows = max(1, -(-len(line) // self.width))
        if self._rows and self._rows + rows > self._screen.size[1] - 1 and not self._skipping:
            await self._wait_for_key()
        if not self._skipping:
            self._rows += rows
            self._screen.write(line + "\n")

    async def _wait_for_key(self) -> None:
        self._screen.write(PAGER)
        self._screen.raw(True)
        try:
            key = await self._keyboard.key()
        finally:
            self._screen.raw(False)
        self._screen.write("\r" + " " * len(PAGER) + "\r")
        self._rows = 0
        self._skipping = key in ("q", "Q", "")


async def within(seconds: float, keyboard: Keyboard) -> str | None:
    """The next line. Raises TimeoutError when none came in time, Interrupted."""
    async with asyncio.timeout(seconds):
        return await keyboard.line()
