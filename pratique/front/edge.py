"""An edge process of a gateway: `python -m pratique.front.edge DIR HANDED PARENT`, started by `pratique run` alone."""

import asyncio
import functools
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pratique.checks.content import Content
from pratique.checks.interface import Engines
from pratique.checks.room import WorkerRoom
from pratique.confine.landlock import Confines, confine, interpreter
from pratique.fleet.identity import Keys
from pratique.front.appliance import mail_log_of, virus_engines
from pratique.front.child import die_with_custody
from pratique.front.files import BadConfiguration, compile_program, gateway_options, program_of, read_options
from pratique.front.loop import run_loop
from pratique.front.memory import settle_memory
from pratique.front.options import FILE, GatewayOptions
from pratique.gateway.edge import EdgeParts, EdgeRole
from pratique.gateway.edges import Handed
from pratique.net.clock import SystemClock
from pratique.net.tasks import Tasks
from pratique.net.tls import server_context
from pratique.policy.evaluate import ProgramError
from pratique.runner.alerts.conditions import SPEAKING, heard
from pratique.runner.services import Drawn, Numbers, Services
from pratique.store.interface import Identity, Store
from pratique.store.moves import StoreFailed
from pratique.store.remote.client import Custody, EdgeStore
from pratique.store.remote.lease import CONNECTIONS, Leases
from pratique.store.remote.wire import Configured, Known, Suspended
from pratique.telemetry import events as log
from pratique.telemetry.counters import Counters
from pratique.telemetry.mail_log import MailLog
from pratique.telemetry.sink import DIRECTORY_MODE

DNS_PORT = 53
TICK_SECONDS = 0.2  # custody writes its lines 0.4 s late, so that one message's lines stand in their order


class EdgeProcess:
    def __init__(self, directory: Path, handed: Handed) -> None:
        self._directory = directory
        self._handed = handed
        self._ending = asyncio.Event()
        self._told: list[Any] = []  # what custody said before the role was there to hear it
        self._role: EdgeRole | None = None
        self._mail_log: MailLog | None = None
        self._closers: list[Callable[[], None]] = []
        self._counters = Counters()
        self._reported: dict[str, float] = {}

    async def run(self) -> int:
        """Until custody says stop, or is gone. The exit code."""
        options = _options(self._directory)
        keys = Keys(self._directory / "keys")
        tls = server_context(str(keys.web_certificate), str(keys.web_key))
        unconfined = confine(self._confines(options))  # while there is one thread, and no octet from outside
        loop = asyncio.get_running_loop()
        custody = Custody(told=self._hear, gone=self._ending.set)
        stream = socket.socket(fileno=self._handed.stream)
        stream.setblocking(False)
        await loop.create_unix_connection(lambda: custody, sock=stream)
        clock = SystemClock()
        mail_log = mail_log_of(self._directory, options, clock, self._counters)
        leases = Leases(socket.socket(fileno=self._handed.lease))
        store = EdgeStore(
            custody,
            leases,
            identity=Identity(options.appliance.serial, "gateway", 0, ""),
            monotonic=clock.monotonic,
            reserve_bytes=options.store.reserve_bytes or None,
        )
        mail_log.hearers.append(functools.partial(_tell, custody))
        tasks = Tasks(lambda name, error: mail_log.emit(log.Fault(error=f"{name}: {type(error).__name__}: {error}")))
        tasks.watch_loop()
        numbers = Numbers(icid=Drawn(leases.numbers(CONNECTIONS)))
        # The part of a store that listeners and judging ask of one; an edge asks for nothing else.
        services = Services(options.appliance.name, cast(Store, store), mail_log, clock, tasks, numbers)
        if unconfined and not self._handed.number:  # one of them says it for all
            mail_log.emit(
                log.Trouble(message=f"edge processes are not shut out of all that they need not: {unconfined}")
            )
        self._role = role = EdgeRole(services, self._parts(options, tls, mail_log.emit))
        for said in self._told:
            self._hear(said)
        self._mail_log = mail_log
        self._on_signals(mail_log)
        ticking = tasks.spawn(self._tick(mail_log, custody), "ticker")
        sockets = {number: socket.socket(fileno=fd) for number, fd in enumerate(self._handed.listeners)}
        await role.intake.start(sockets)
        settle_memory()
        custody.listening()
        await self._ending.wait()
        ticking.cancel()
        await role.stop()
        for close in self._closers:
            close()
        mail_log.close()
        self._report(custody)
        custody.close()
        return 0

    def _confines(self, options: GatewayOptions) -> Confines:
        """What is left to an edge: the mail log, what it shares with its workers, name servers and the virus daemon."""
        gateway, directory = options.gateway, self._directory
        room = WorkerRoom.below(directory / options.store.spool)
        files = [gateway.policy.filters_file, *gateway.virus.rules_files]
        clamd = gateway.virus.clamd.rpartition(":")[2]
        log_directory = directory / options.log.directory
        log_directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        return Confines(
            read=(*interpreter(), str(directory / FILE), *[str(directory / name) for name in files if name]),
            write=(str(log_directory), str(room.lent), str(room.scratch), tempfile.gettempdir(), "/dev/shm"),  # noqa: S108
            connect=(DNS_PORT, *([int(clamd)] if clamd.isdigit() else [])),
        )

    def _parts(self, options: GatewayOptions, tls: ssl.SSLContext, emit: Callable[[log.Event], None]) -> EdgeParts:
        handed, settings = self._handed, options.gateway
        room = WorkerRoom.below(self._directory / options.store.spool)
        content = Content(scan_bytes_max=settings.policy.scan_bytes_max, room=room)
        self._closers.append(content.close)
        workers = max(1, settings.virus.workers // handed.edges)  # the workers of the configuration serve all edges
        ours = replace(settings, virus=replace(settings.virus, workers=workers))
        engines = virus_engines(self._directory, ours, self._closers, room=room, emit=emit)
        return EdgeParts(
            settings=settings,
            delivery=options.delivery,
            program=compile_program(self._directory, options),
            engines=Engines(engines, content),
            smtp_tls=tls,
            number=handed.number,
            edges=handed.edges,
            tallies=handed.tallies,
        )

    def _hear(self, said: Any) -> None:
        if self._role is None:
            self._told.append(said)
        elif isinstance(said, Known):
            self._role.planner.manager = said.manager
        elif isinstance(said, Suspended):
            self._role.suspend(said.listeners, paused=said.paused, close=said.close)
        elif isinstance(said, Configured):
            self._configure(said, self._role)
        else:
            self._ending.set()

    def _on_signals(self, mail_log: MailLog) -> None:
        """Custody decides when we end: what ends it reaches the whole process group."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: None)
        loop.add_signal_handler(signal.SIGHUP, mail_log.reopen)

    def _configure(self, said: Configured, role: EdgeRole) -> None:
        """Custody has checked it, and says what is wrong with it or needs a restart."""
        try:
            options = gateway_options(said.options)
            program = program_of(options, said.filters)
        except (BadConfiguration, ProgramError):
            return
        role.pipeline.use(program)
        role.intake.reconfigure(options.gateway)
        role.bouncer.use(options.delivery.bounce)
        if self._mail_log is not None:
            self._mail_log.use(options.log)

    async def _tick(self, mail_log: MailLog, custody: Custody) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            mail_log.flush()
            self._report(custody)

    def _report(self, custody: Custody) -> None:
        """Custody's counters are the appliance's."""
        now = self._counters.values()
        risen = {name: int(value - self._reported.get(name, 0)) for name, value in now.items()}
        self._reported = now
        if any(risen.values()):
            custody.counted({name: amount for name, amount in risen.items() if amount})


def _options(directory: Path) -> GatewayOptions:
    options = read_options(directory)
    assert isinstance(options, GatewayOptions)
    return options


def _tell(custody: Custody, batch: Iterable[tuple[log.Event, int]]) -> None:
    """Custody raises the alerts of all processes."""
    for event, _ in batch:
        if type(event) in SPEAKING and (said := heard(event)) is not None:
            custody.troubled(said.condition.value, said.text, over=said.over)


async def run_edge(directory: Path, handed: str, parent: int) -> int:
    die_with_custody(parent)  # without it, it can accept nothing and must write nothing (store/remote/fence.py)
    try:
        return await EdgeProcess(directory, Handed.of(handed)).run()
    except (BadConfiguration, OSError, StoreFailed, ValueError) as error:  # StoreFailed: custody is gone
        print(f"pratique: an edge process cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(run_loop(run_edge(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
