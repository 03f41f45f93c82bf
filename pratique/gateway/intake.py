"""The listeners of a gateway: their doors, what a new configuration changes at them, and how they close.

One process takes the mail of all listeners, or several edge processes do (edge.py); either way each has one Intake.
"""

import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pratique.gateway.access import HostTable, RecipientTable
from pratique.gateway.judging import Judging
from pratique.gateway.receive import Door
from pratique.gateway.settings import GatewaySettings
from pratique.gateway.tally import OwnTally, Tally
from pratique.net.listener import Acceptor, bind
from pratique.net.resolver import Resolver
from pratique.runner.services import Services


class Intake:
    """`tally(listener's number)` counts for its limits; `tls` is the ssl.SSLContext for STARTTLS."""

    def __init__(
        self,
        services: Services,
        settings: GatewaySettings,
        *,
        judging: Judging,
        resolver: Resolver,
        tls: Any,
        tally: Callable[[int], Tally] = lambda number: OwnTally(),
    ) -> None:
        self.doors: list[Door] = []
        self._servers: list[Acceptor] = []
        for number, listener in enumerate(settings.listeners):
            door = Door(
                services=services,
                listener=listener,
                hosts=HostTable(listener),
                recipients=RecipientTable(listener.recipients),
                judging=judging,
                resolver=resolver,
                tls_context=tls,
                sessions=set(),
                tally=tally(number),
            )
            self.doors.append(door)

    async def start(self, sockets: Mapping[int, socket.socket] | None = None) -> None:
        """Listen; on `sockets`, by the listener's number, when another process has bound them. Raises OSError when an
        address cannot be bound."""
        for number, door in enumerate(self.doors):
            if sockets is None:
                bound = bind(door.listener.address, door.listener.port, shared=False)
            else:
                bound = sockets[number]
            self._servers.append(Acceptor(bound, door.take))

    def reconfigure(self, settings: GatewaySettings) -> None:
        """Access tables take effect for the next message; all else of a listener with the next start."""
        by_name = {listener.name: listener for listener in settings.listeners}
        for door in self.doors:
            if (new := by_name.get(door.listener.name)) is not None:
                door.hosts, door.recipients = HostTable(new), RecipientTable(new.recipients)

    def suspend(self, listeners: Collection[str]) -> None:
        """Of all listeners these take nothing: whoever comes hears 421. Sessions go on until `end_suspended`."""
        for door in self.doors:
            door.suspended = door.listener.name in listeners

    def end_suspended(self) -> None:
        for door in self.doors:
            for session in list(door.sessions) if door.suspended else ():
                session.shut_down()

    @property
    def suspended_busy(self) -> bool:
        """Does a session of a suspended listener go on?"""
        return any(door.sessions for door in self.doors if door.suspended)

    def close(self) -> None:
        """Take no new connections; those that are being let in hear 421."""
        for server, door in zip(self._servers, self.doors, strict=False):
            door.suspended = True
            server.close()

    def shut_down(self) -> None:
        """Every session says 421 where the protocol allows it, and ends."""
        for door in self.doors:
            for session in list(door.sessions):
                session.shut_down()

    def clients(self) -> Counter[tuple[str, str, str]]:
        """Open sessions by (name, address, listener)."""
        return Counter((*session.client, door.listener.name) for door in self.doors for session in door.sessions)

    @property
    def busy(self) -> bool:
        return any(door.sessions for door in self.doors)
