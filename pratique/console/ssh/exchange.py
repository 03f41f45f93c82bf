"""One command of another member of the cluster: its words, what it sends, one answer. No terminal, prompt or verb."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh

from pratique.console.commands.cluster import STATE_BYTES_MAX, ClusterRefused

Answer = Callable[[str, str], Coroutine[Any, Any, str]]
TOO_MUCH = "refused\nthis is more than the state of a cluster may have"


class Exchange(asyncssh.SSHServerSession[str]):
    """`answer`: of a command and what was sent with it."""

    _chan: asyncssh.SSHServerChannel[str]

    def __init__(
        self, answer: Answer, spawn: Callable[[Coroutine[Any, Any, Any], str], Any], *, gone: Callable[[], None]
    ) -> None:
        self._answer = answer
        self._spawn = spawn
        self._gone = gone
        self._command = ""
        self._sent: list[str] = []
        self._size = 0
        self._begun = False
        self._left = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._chan = chan

    def connection_lost(self, exc: Exception | None) -> None:
        self._left = True
        self._gone()

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        return False

    def shell_requested(self) -> bool:
        return False

    def subsystem_requested(self, subsystem: str) -> bool:
        return False

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def data_received(self, data: str, datatype: Any) -> None:
        self._size += len(data)
        if self._size <= STATE_BYTES_MAX:
            self._sent.append(data)
        else:
            self._sent.clear()
            self._end(TOO_MUCH)

    def eof_received(self) -> bool:
        if not self._begun and self._size <= STATE_BYTES_MAX:
            self._begun = True
            self._spawn(self._run(), "exchange with a member")
        return True

    async def _run(self) -> None:
        sent = "".join(self._sent)
        self._sent.clear()
        try:
            answer = await self._answer(self._command, sent)
        except (ClusterRefused, OSError) as error:
            answer = f"refused\n{error}"
        except asyncio.CancelledError:
            self._end("refused\nthe appliance stops")
            raise
        self._end(answer)

    def _end(self, answer: str) -> None:
        self._begun = True
        if not self._left:
            self._left = True
            self._chan.write(answer)
            self._chan.exit(0)
