"""The operators' faces of a running appliance: the REST API over TLS, the command line over SSH, and the socket of the
machine's own commands.

Started after the listeners: mail never waits for the console, whose libraries are the slowest import of the program.
REST and SSH are served here, or by a console process (`process.console`); the socket is always here.
"""

import asyncio
import functools
import importlib
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique import __version__
from pratique.fleet.identity import create_host_keys
from pratique.front.appliance import Appliance
from pratique.front.options import GatewayOptions, Options
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager
from pratique.store.interface import Submitted
from pratique.store.moves import Record
from pratique.store.records import AuditEntry
from pratique.telemetry import events as log

if TYPE_CHECKING:
    from pratique.console.access.signin import SignIn
    from pratique.console.commands.desk import Desk
    from pratique.console.remote.reception import LocalReception
    from pratique.console.serve import ConsoleServer
    from pratique.console.ssh.server import SshServer
    from pratique.front.certificates import RunningCertificates
    from pratique.front.clusters import RunningClusters
    from pratique.front.console_keeper import ConsoleKeeper
    from pratique.front.control import Control

SECRET_FILE = "session.key"  # noqa: S105 - a file's name
SECRET_BYTES = 64
LOOK_SECONDS = 2.0  # how soon it is noticed that a face does not listen any more


class Faces:
    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance
        self._server: ConsoleServer | None = None
        self._ssh: SshServer | None = None
        self._control: Control | None = None
        self._keeper: ConsoleKeeper | None = None
        self._kept: list[asyncio.Task[Any]] = []
        self._running_clusters: RunningClusters | None = None
        appliance.web_users.append(self._renew_certificate)

    async def start(self) -> None:
        """Raises OSError when an address or the socket cannot be bound; the other faces stay up."""
        from pratique.front.certificates import RunningCertificates
        from pratique.front.control import Control
        from pratique.front.cpq_renewal import CpqRenewal

        renewal = RunningCertificates(self._appliance, CpqRenewal(self._appliance))
        desk = self.desk(renewal)
        self._control = Control(self._appliance, desk)
        failures = []
        try:
            await self._control.start()
        except OSError as error:
            failures.append(f"control socket: {error}")
        options = self._appliance.options
        if options.web.enabled or options.ssh.enabled:
            signin = self._sign_in()  # one for both: guesses count together
            serve = self._start_process if options.process.console else self._start_here
            failures += await serve(desk, signin)
        keep = self._appliance.services.supervisor.keep
        keep("renewal of certificates", renewal.run)
        keep("renewal of the quarantine certificate", renewal.cpq.run)
        if failures:
            raise OSError("; ".join(failures))

    def _renew_certificate(self) -> None:
        if self._server is not None:
            self._server.renew_certificate()
        if self._keeper is not None:
            self._keeper.renew_certificate()

    async def _start_here(self, desk: "Desk", signin: "SignIn") -> list[str]:
        """What does not work."""
        options, failures = self._appliance.options, []
        wanted = {"REST API": functools.partial(self._start_rest, desk, signin)} if options.web.enabled else {}
        if options.ssh.enabled:
            wanted["SSH"] = functools.partial(self._start_ssh, self._reception(desk, signin))
        for name, start in wanted.items():
            try:
                await start()
            except OSError as error:
                failures.append(f"{name}: {error}")
            self._keep(name, start)
        return failures

    async def _start_process(self, desk: "Desk", signin: "SignIn") -> list[str]:
        from pratique.console.remote.entry import LocalEntry
        from pratique.front.console_keeper import ConsoleKeeper

        entry, reception = LocalEntry(desk, signin), self._reception(desk, signin)
        self._keeper = ConsoleKeeper(self._appliance, desk, entry, reception)
        try:
            await self._keeper.start()
        except OSError as error:
            return [str(error)]
        return []

    def _reception(self, desk: "Desk", signin: "SignIn") -> "LocalReception":
        from pratique.console.remote.reception import LocalReception

        return LocalReception(desk, signin, note=functools.partial(self._note, "ssh"))

    def _keep(self, name: str, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A face whose listener has gone, or could not be had, is started again and again."""

        async def serve() -> None:
            if not self._serves(name):
                await self._end(name)
                await self._whole(name, start())
            while self._serves(name):  # noqa: ASYNC110 - no event tells that a listener is closed
                await asyncio.sleep(LOOK_SECONDS)
            raise OSError("its listener has closed")

        self._kept.append(self._appliance.services.supervisor.keep(name, serve))

    async def _whole(self, name: str, start: Coroutine[Any, Any, None]) -> None:
        """To its end even when we are cancelled: half a start would leave a listener that nobody knows and closes."""

        async def begin() -> OSError | None:
            try:
                await start
            except OSError as error:  # said once, by the supervisor
                return error
            return None

        starting = self._appliance.services.tasks.spawn(begin(), f"start of {name}")
        try:
            failed = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.gather(starting, return_exceptions=True)
            raise
        if failed is not None:
            raise failed

    def _serves(self, name: str) -> bool:
        face = self._ssh if name == "SSH" else self._server
        return face is not None and face.serves

    async def _end(self, name: str) -> None:
        """What is left of one that serves no more."""
        if name == "SSH" and self._ssh is not None:
            ssh, self._ssh = self._ssh, None
            await ssh.stop()
        elif name != "SSH" and self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def _start_rest(self, desk: "Desk", signin: "SignIn") -> None:
        from pratique.console.remote.entry import LocalEntry
        from pratique.console.rest.app import make_app
        from pratique.console.serve import ConsoleServer

        web, keys = self._appliance.options.web, self._appliance.keys
        app = make_app(desk, LocalEntry(desk, signin), fault=self._fault)
        server = ConsoleServer(
            app, address=web.address, port=web.port, certificate=keys.web_certificate, key=keys.web_key
        )
        await server.start()
        self._server = server

    async def _start_ssh(self, reception: "LocalReception") -> None:
        """Its libraries take half a second of processor time and the first host keys as much: in a thread, so that
        mail goes on."""
        module = await asyncio.to_thread(importlib.import_module, "pratique.console.ssh.server")
        await reception.prepare()
        appliance = self._appliance
        host_keys = module.read_host_keys(await asyncio.to_thread(create_host_keys, appliance.keys))
        services = appliance.services
        server: SshServer = module.SshServer(
            reception, spawn=services.tasks.spawn, fault=self._fault, monotonic=services.clock.monotonic
        )
        await server.start(appliance.options.ssh.address, appliance.options.ssh.port, host_keys)
        self._ssh = server

    async def stop(self) -> None:
        for kept in self._kept:
            kept.cancel()
        await asyncio.gather(*self._kept, return_exceptions=True)  # one that is being started is then known here
        if self._ssh is not None:
            await self._ssh.stop()
        if self._server is not None:
            await self._server.stop()
        if self._keeper is not None:
            await self._keeper.stop()
        if self._control is not None:
            await self._control.stop()

    @property
    def port(self) -> int:
        """Where the REST API listens; 0 when it does not."""
        return self._server.port if self._server is not None else 0

    def desk(self, certificates: "RunningCertificates") -> "Desk":
        from pratique.console.commands.desk import Desk
        from pratique.front.acts import GatewayActs, ManagerActs
        from pratique.front.archive import FileArchive
        from pratique.front.configuration import KeptConfiguration
        from pratique.front.fleet import RunningFleet
        from pratique.front.machine import RunningMachine
        from pratique.front.queues import GatewayQueues, ManagerQueues
        from pratique.gateway.tracing import trace
        from pratique.gateway.whereto import whereto

        appliance = self._appliance
        role, counters = appliance.role, appliance.counters
        clusters = self._clusters()
        return Desk(
            name=appliance.options.appliance.name,
            role=appliance.options.appliance.role,
            version=__version__,
            store=appliance.store,
            clock=appliance.services.clock,
            telemetry=appliance.mail_log,
            acts=ManagerActs(role, counters) if isinstance(role, Manager) else GatewayActs(role, counters),
            logs=appliance.mail_log,
            queues=ManagerQueues(role) if isinstance(role, Manager) else GatewayQueues(role),
            meters=appliance.meters,
            archive=FileArchive(appliance.directory),
            alerts=appliance.role.alerts,
            machine=RunningMachine(appliance),
            components=appliance.services.supervisor.components,
            configuration=KeptConfiguration(
                appliance.directory,
                appliance.own_file,
                options=appliance.options,
                clock=appliance.services.clock,
                places=clusters.place if clusters is not None else lambda level: None,
            ),
            clusters=clusters,
            changing_users=clusters.users.changing if clusters is not None else asyncio.Lock(),
            fleet=RunningFleet(appliance),
            certificates=certificates,
            trace=functools.partial(trace, role) if isinstance(role, Gateway) else None,
            whereto=functools.partial(whereto, role) if isinstance(role, Gateway) else None,
            nameservers=_nameservers(appliance.options),
        )

    def _clusters(self) -> "RunningClusters | None":
        """Of a gateway, begun at the first call."""
        from pratique.front.clusters import RunningClusters

        appliance = self._appliance
        if self._running_clusters is None and isinstance(appliance.role, Gateway):
            clusters = RunningClusters(appliance)
            spawn = appliance.services.tasks.spawn
            appliance.level = clusters

            def look() -> None:
                spawn(clusters.look(), "settings of the cluster")

            appliance.reloaded = look
            appliance.services.supervisor.keep("exchange with the cluster", clusters.run)
            appliance.services.supervisor.keep("users of the cluster", clusters.users.run)
            self._running_clusters = clusters
        return self._running_clusters

    def _sign_in(self) -> "SignIn":
        from pratique.console.access.sessions import Sessions
        from pratique.console.access.signin import SignIn

        appliance, clock = self._appliance, self._appliance.services.clock
        secret = session_secret(appliance.keys.directory / SECRET_FILE, clock.random(SECRET_BYTES))
        half = SECRET_BYTES // 2

        def seconds() -> int:
            return clock.now_ms() // 1_000

        sessions = Sessions(secret[:half], now=seconds, random=clock.random)
        return SignIn(
            appliance.store.view.user,
            sessions,
            monotonic=clock.monotonic,
            now=seconds,
            secret=secret[half:],
            note=functools.partial(self._note, "rest"),
        )

    def _note(self, face: str, what: str, user: str, address: str) -> None:
        """Into the audit, without waiting: a sign-in does not fail because its record does."""
        detail = json.dumps({"user": user, "address": address})
        submitted = self._appliance.store.submit(Record((AuditEntry(f"{face}:{address}", what, detail=detail),)))
        submitted.add_done_callback(self._noted)

    def _noted(self, future: Submitted) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._fault(f"a sign-in could not be recorded: {error}")

    def _fault(self, text: str) -> None:
        self._appliance.mail_log.emit(log.Fault(error=text))


def _nameservers(options: Options) -> tuple[str, ...]:
    return options.delivery.nameservers if isinstance(options, GatewayOptions) else options.alerts.nameservers


def session_secret(path: Path, fresh: bytes) -> bytes:
    """Kept in a file, so that a restart ends no session; made from `fresh` when it is not there or was cut short."""
    try:
        known = path.read_bytes()
    except FileNotFoundError:
        known = b""
    if len(known) == SECRET_BYTES:
        return known
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, fresh)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return fresh
