"""What a connection gets when all sessions of its listener are taken: 421 and the end, for next to nothing.

Under overload most connections end here, so what one of them costs is what is left for the mail that was let in: no
session, no name look-up, no log line of its own. A line each SAY_SECONDS says how many there were.
"""

import asyncio
import socket

from pratique.mail.reply import R421_BUSY
from pratique.runner.services import Services
from pratique.telemetry import events as log

SAY_SECONDS = 10.0
_REPLY = R421_BUSY.encode()


class Turnaway:
    """Those that one listener turned away."""

    def __init__(self, services: Services, listener: str, *, connections_max: int) -> None:
        self._services = services
        self._listener = listener
        self._connections_max = connections_max
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def refuse(self, connection: socket.socket) -> None:
        """Its buffer is empty, so the reply goes out whole; it waits in the client's when we have closed."""
        try:
            connection.send(_REPLY)
        except OSError:
            pass  # it is gone already
        connection.close()
        self._count += 1
        if self._timer is None:
            self._say()

    def _say(self) -> None:
        """The first one is said at once, the others together; silence ends it."""
        self._timer = None
        if not self._count:
            return
        text = (
            f"listener {self._listener}: {self._count} connections were answered 421, all {self._connections_max} "
            "sessions are taken (connections_max); more mail comes than this gateway can take"
        )
        self._services.telemetry.emit(log.Trouble(message=text))
        self._count = 0
        self._timer = asyncio.get_running_loop().call_later(SAY_SECONDS, self._say)
