"""The far end of `pratique shell`: one line of the command line over the control socket, as verbs hear it.

The client sends {"command": "verb", "arguments": {"line": ..., "width": ...}}. While the line is done it reads objects
of one key each: {"text": ...} and {"complaint": ...} to be shown as they are, {"live": true} before a display that no
pager may stop, {"ask": question, "default": ..., "secret": ...}, which it answers with {"answer": text}, or null where
nobody can. It may send {"stop": true} (Ctrl-C), also for an answer. The end is
{"ok": true, "result": {"status": ..., "ended": ..., "prompt": the next one}}.
"""

import asyncio
import json
from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.console.verbs.line import run_line
from pratique.console.verbs.verb import NoAnswer, Withdrawn, load_verbs
from pratique.mail.text import screen_text

PIECE_CHARS = 65_536  # of a text; a line of the socket is bounded
COLUMNS, COLUMNS_MAX = 80, 1_000
UNASKED = ("answer", "stop")  # what a client may send when the line has just ended: nobody waits for it any more


class SocketTalk:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, width: int) -> None:
        self._reader = reader
        self._writer = writer
        self._stopped = False
        self._live = False
        self._said: list[tuple[str, str]] = []  # not sent yet: whether a pager may stop it shows at the next wait
        self.width = width

    def say(self, text: str = "") -> None:
        self._said.append(("text", text))

    def complain(self, text: str) -> None:
        self._said.append(("complaint", text))

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        self.let_out()
        self._send({"ask": screen_text(question), "default": screen_text(default), "secret": secret})
        await self._writer.drain()
        while (told := await self._told()) is not None:
            if "stop" in told:
                raise Withdrawn(question)
            if "answer" in told:
                if not isinstance(told["answer"], str):
                    break
                return told["answer"]
        raise NoAnswer(question)

    async def pause(self, seconds: float) -> bool:
        if seconds > 0 and not self._live:
            self._live = True
            self._send({"live": True})
        self.let_out()
        await self._writer.drain()
        try:
            async with asyncio.timeout(seconds):
                while not self._stopped:
                    told = await self._told()
                    self._stopped = told is None or "stop" in told
        except TimeoutError:
            return True
        return False

    async def _told(self) -> dict[str, Any] | None:
        """The next object from the client; None when it has left. Raises ValueError when it is none."""
        line = await self._reader.readline()
        told = json.loads(line) if line else None
        return told if isinstance(told, dict) else None

    def let_out(self) -> None:
        """Send what was said."""
        said, self._said = self._said, []
        for kind, text in said:
            whole = screen_text(text) + "\n"
            for at in range(0, len(whole), PIECE_CHARS):
                self._send({kind: whole[at : at + PIECE_CHARS]})

    def _send(self, told: dict[str, Any]) -> None:
        send(self._writer, told)


def send(writer: asyncio.StreamWriter, told: dict[str, Any]) -> None:
    """Raises ConnectionError where uvloop would say RuntimeError: the client has left."""
    if writer.is_closing():
        raise ConnectionResetError("the client has left")
    writer.write(json.dumps(told).encode() + b"\n")


async def serve_line(
    desk: Desk, person: Person, arguments: dict[str, Any], *, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> dict[str, Any]:
    """Do the line and return the last object for the client. Raises ValueError, OSError when it breaks off."""
    load_verbs()
    line, width = arguments.get("line"), arguments.get("width", COLUMNS)
    if not isinstance(line, str) or not isinstance(width, int):
        return {"ok": False, "error": "a line is missing"}
    talk = SocketTalk(reader, writer, max(COLUMNS // 2, min(width, COLUMNS_MAX)))
    outcome = await run_line(desk, lambda: person, line, talk)
    talk.let_out()
    return {"ok": True, "result": {"status": outcome.status, "ended": outcome.ended, "prompt": desk.prompt}}
