"""A client of the SSH face as verbs hear it where the face is in another process.

A verb waits at `ask` and `pause` until the client has taken what was said, so no more of it is kept than one step of a
verb says.
"""

import asyncio

from pratique.console.remote.frames import FrameStream
from pratique.console.remote.wire import PIECE_BYTES, Asked, Paused, Said, Told
from pratique.console.verbs.verb import NoAnswer, Withdrawn
from pratique.mail.text import screen_text

NOBODY, STOPPED = "none", "stop"
PIECE_CHARS = PIECE_BYTES // 4


class FarTalk:
    def __init__(self, stream: FrameStream, number: int, *, width: int) -> None:
        self._stream = stream
        self._number = number
        self._said: list[tuple[bool, str]] = []
        self._waiting: asyncio.Future[Told] | None = None
        self._gone = False
        self.width = width

    # --- Talk
    def say(self, text: str = "") -> None:
        self._said.append((False, screen_text(text)))

    def complain(self, text: str) -> None:
        self._said.append((True, screen_text(text)))

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        await self.let_out()
        asked = Asked(self._number, screen_text(question), screen_text(default), secret)
        told = await self._told_after(asked)
        if told.how == NOBODY:
            raise NoAnswer(question)
        if told.how:
            raise Withdrawn(question)
        return told.text

    async def pause(self, seconds: float) -> bool:
        await self.let_out()
        return not (await self._told_after(Paused(self._number, seconds))).how

    # --- the console
    def told(self, told: Told) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(told)

    def gone(self) -> None:
        """Nobody hears any more; the verb ends at its next step."""
        self._gone = True
        self.told(Told(self._number, "", STOPPED))

    async def let_out(self) -> None:
        """Send what was said, a piece of it at a time."""
        said, self._said = self._said, []
        lines: list[tuple[bool, str]] = []
        size = 0
        for line in said:
            if lines and size + len(line[1]) > PIECE_CHARS:
                await self._send(Said(self._number, lines))
                lines, size = [], 0
            lines.append(line)
            size += len(line[1])
        if lines:
            await self._send(Said(self._number, lines))

    async def _told_after(self, said: Asked | Paused) -> Told:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._send(said)
        return Told(self._number, "", STOPPED) if self._gone else await self._waiting

    async def _send(self, said: Said | Asked | Paused) -> None:
        if self._gone:
            return
        try:
            await self._stream.send(said)
        except OSError:
            self._gone = True
