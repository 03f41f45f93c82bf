"""What comes from a client, in order: whole lines, single keys while a pager waits, interrupts, and the end.

Knows no SSH: `pause` and `resume` tell the sender to wait when more was sent ahead than is kept.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from pratique.console.verbs.line import LINE_CHARS_MAX


class Interrupted(Exception):
    """Ctrl-C."""


class Keyboard:
    def __init__(self, *, ahead_max: int, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._ahead_max = ahead_max
        self._pause = pause
        self._resume = resume
        self._lines: deque[str] = deque()
        self._begun = ""  # a line whose end did not come yet: without a terminal input comes in pieces
        self._keys: str | None = None  # None: lines are read, not keys
        self._broken = False
        self._paused = False
        self._changed = asyncio.Event()
        self.ended = False  # nothing more comes; the client may still listen
        self.gone = False

    # --- from the client
    def feed(self, text: str) -> None:
        if self._keys is not None:
            self._keys += text
        else:
            *whole, self._begun = (self._begun + text).split("\n")
            self._lines += [line.removesuffix("\r") for line in whole]
            if len(self._begun) > LINE_CHARS_MAX + 1:  # nothing of ours is so long: its sender is no operator
                self.end()
        if len(self._lines) > self._ahead_max and not self._paused:
            self._paused = True
            self._pause()
        self._changed.set()

    def interrupt(self) -> None:
        self._broken = True
        self._lines.clear()
        self._changed.set()

    def end(self, *, pressed: bool = False) -> None:
        """`pressed`: by Ctrl-D, which ends a live display as well."""
        if self._begun:
            self._lines.append(self._begun)
            self._begun = ""
        self.ended = True
        self._broken = self._broken or pressed
        self._changed.set()

    def leave(self) -> None:
        self.gone = True
        self.end()

    # --- to the session
    def forget_interrupt(self) -> None:
        self._broken = False

    async def line(self) -> str | None:
        """The next line; None at the end. Raises Interrupted."""
        while not self._lines:
            if self.ended:
                return None
            if self._broken:
                self._broken = False
                raise Interrupted
            await self._change()
        line = self._lines.popleft()
        if self._paused and len(self._lines) <= self._ahead_max // 2:
            self._paused = False
            self._resume()
        return line

    async def key(self) -> str:
        """The next key, what was typed before not counted; "" at the end, Ctrl-C as "q"."""
        self._keys = ""
        try:
            while not self._keys and not self._broken and not self.ended:
                await self._change()
            pressed = self._keys[:1]
            return "q" if self._broken or pressed == "\x03" else pressed
        finally:
            self._keys = None
            self._broken = False

    async def quiet(self, seconds: float) -> bool:
        """Wait so long; False as soon as there was an interrupt or the client is gone. This uses the interrupt up."""
        try:
            async with asyncio.timeout(seconds):
                while not self._broken and not self.gone:
                    await self._change()
        except TimeoutError:
            return True
        self._broken = False
        return False

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
