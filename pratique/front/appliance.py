"""One running appliance: its store, its log, its role and its faces, put together and taken apart in order."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pratique import __version__
from pratique.checks.clamd import ClamdEngine
from pratique.checks.content import Content
from pratique.checks.interface import Engines, VirusEngine
from pratique.checks.room import WorkerRoom
from pratique.checks.virus import YaraEngine
from pratique.checks.watched import WatchedEngine
from pratique.checks.yara_rules import compile_rules
from pratique.console.commands.staging import NotConfigured
from pratique.fleet.certificates import settle
from pratique.fleet.command_client import ask_place
from pratique.fleet.identity import Keys, load_signing_key
from pratique.fleet.trust import Trust
from pratique.front import recovery
from pratique.front.effective import effective
from pratique.front.files import BadConfiguration, compile_program, filters_of_file, gateway_options, read_options
from pratique.front.meters import RunningMeters
from pratique.front.options import FILE, GatewayOptions, ManagerOptions, Options
from pratique.front.own_file import OwnFile
from pratique.front.restart import needs_restart
from pratique.front.uncommitted import Uncommitted
from pratique.front.watch import Watch
from pratique.gateway.app import Gateway
from pratique.gateway.app import Parts as GatewayParts
from pratique.gateway.edges import Edges, Handed
from pratique.gateway.settings import GatewaySettings
from pratique.manager.app import Manager
from pratique.manager.app import Parts as ManagerParts
from pratique.net.clock import SystemClock
from pratique.net.tasks import Tasks
from pratique.net.tls import server_context
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.runner.ready import Alone, Level
from pratique.runner.services import Numbers, Services
from pratique.runner.space import SpaceWatch
from pratique.store.moves import PutQuarantine, PutSetting, StoreFailed
from pratique.store.next_certificates import next_of
from pratique.store.records import Quarantine
from pratique.store.remote.fence import Fence
from pratique.store.spool import FileSpool
from pratique.store.sqlite.opening import STORE_FILE, Files
from pratique.store.sqlite.store import SqliteStore
from pratique.telemetry import events as log
from pratique.telemetry.counters import Counters
from pratique.telemetry.mail_log import MailLog

LOG_FLUSH_SECONDS = 0.5  # a line is at most 1 s late (contract: mail log)
EDGES_LAG_MS = 400  # and ours come after those of the edge processes, which write every 0.2 s
FREES_SPACE = '{"free_space": true}'  # a full pool takes the oldest first; an administrator may exempt one
NUMBERS_SETTING = "connection_numbers"  # the number with which the next start begins
RESERVE_SECONDS = 1.0  # no listener takes half a gap of connections in so short a time
BUILD = "001"  # the third part of the version in the log's header


@dataclass(slots=True)
class Appliance:
    """`role` is the assembled gateway or manager."""

    directory: Path
    options: Options
    services: Services
    mail_log: MailLog
    counters: Counters
    keys: Keys
    trust: Trust
    role: Gateway | Manager
    store: SqliteStore
    closers: list[Callable[[], None]]
    meters: RunningMeters
    watch: Watch
    level: Level = field(default_factory=Alone)  # of a cluster, at which the quarantine service is switched on
    web_users: list[Callable[[], None]] = field(default_factory=list)  # told when another web certificate is in use
    changing_certificates: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time
    proof: asyncio.Task[None] | None = None  # of what an end that was not clean may have cost
    own_file: OwnFile = field(init=False)
    later: list[str] = field(default_factory=list)  # committed, and in force with the next start only
    uncommitted: Uncommitted = field(init=False)
    reloaded: Callable[[], None] = lambda: None  # hears of every reload

    async def start(self) -> None:
        """The listeners come up at once; what was found is said before them, what takes long is proved beside them."""
        tasks = self.services.tasks
        keep = self.services.supervisor.keep
        keep("log flush", lambda: _flush(self.mail_log))
        keep("reserve of connection numbers", lambda: _reserve(self.services))
        self.mail_log.hearers.append(self.role.alerts.hear)
        recovery.report(self.services, self.store)
        await self.store.submit(PutSetting(NUMBERS_SETTING, str(self.services.numbers.reserved)))
        await self.own_file.settle()
        await self.role.start()
        self.proof = tasks.spawn(recovery.prove(self.services, self.store), "check of bodies")
        place = self.directory / self.options.store.directory / STORE_FILE
        tasks.spawn(recovery.prove_audit(self.services, place), "check of the audit")
        keep("watch over the disk's room", SpaceWatch(self.services).run)
        keep("counters", self.meters.run)
        keep("watch over what lasts", self.watch.run)

    def __post_init__(self) -> None:
        self.own_file = OwnFile(self.directory, self.store, self.services.clock, self.reload)
        self.uncommitted = Uncommitted(self.directory, self.options.appliance.role, lambda: self.later)
        taker = self.role.reception if isinstance(self.role, Manager) else self.role.reinject
        taker.uncommitted = self.uncommitted.cure

    async def reload_by(self, who: str) -> None:
        """SIGHUP: as `reload`, and what a person edited by hand is on record."""
        with suppress(NotConfigured):  # the log has said why
            await self.own_file.reload(who)

    def reload(self) -> list[str]:
        """Reopen the logs, read enrolments and configuration anew. A bad configuration changes nothing. Returns what
        takes effect with the next start only, in words."""
        self.mail_log.reopen()
        self.role.peers_changed()
        try:
            options = read_options(self.directory)
        except BadConfiguration as error:
            for problem in error.problems:
                self.mail_log.emit(log.Trouble(message=f"not reloaded: {problem}"))
            return []
        self._reconfigure(options)
        self.later = later = needs_restart(self.options, options)
        self.mail_log.emit(log.Note(message="reloaded: logs, enrolments, filters, policies, access tables, routes"))
        for what in later:
            self.mail_log.emit(log.Trouble(message=f"needs a restart: {what}"))
        self.reloaded()
        return later

    def _reconfigure(self, options: Options) -> None:
        self.mail_log.use(options.log)
        self.watch.link_down_seconds = options.alerts.link_down_seconds
        if isinstance(self.role, Gateway) and isinstance(options, GatewayOptions):
            self.role.reconfigure(options.gateway, options.delivery, compile_program(self.directory, options))
            self.role.alerts.use(options.alerts)
        elif isinstance(self.role, Manager) and isinstance(options, ManagerOptions):
            self.role.reconfigure(options.manager)
            self.role.post.use(options.alerts)

    async def stop(self, *, started: bool = True) -> None:
        """Clean shutdown: nothing new is taken, sessions end, the store commits what it was given. After a start that
        failed, or that did not come to the end of its check of bodies, the next one finds what this one found."""
        await self.role.stop()
        for close in self.closers:
            close()
        self.mail_log.flush()
        await self.meters.keep()
        with suppress(StoreFailed):  # a store that failed leaves the gap that a crash leaves
            await self.store.submit(PutSetting(NUMBERS_SETTING, str(self.services.numbers.reached)))
        proved = self.store.clean or _succeeded(self.proof)
        await self.store.close(in_order=proved)
        if started and not proved:
            why = "the bodies of the life before were not all checked; the next start checks them again"
            self.mail_log.emit(log.Note(message=why))
        self.mail_log.emit(log.Note(message="stopped" if started else "could not start"))
        self.mail_log.close()


def _succeeded(task: asyncio.Task[None] | None) -> bool:
    return task is not None and task.done() and not task.cancelled() and task.exception() is None


async def _flush(mail_log: MailLog) -> None:
    while True:
        await asyncio.sleep(LOG_FLUSH_SECONDS)
        mail_log.flush()


def mail_log_of(
    directory: Path, options: Options, clock: SystemClock, counters: Counters, *, lag_ms: int = 0
) -> MailLog:
    made = MailLog(
        directory / options.log.directory,
        version=f"{__version__}-{BUILD}",
        serial=options.appliance.serial,
        clock=clock.now_ms,
        host=options.appliance.name,
        counters=counters,
        json=options.log.json,
        lag_ms=lag_ms,
    )
    made.use(options.log)
    return made


async def build(directory: Path, options: Options, *, on_fatal: Callable[[StoreFailed], None]) -> Appliance:
    """Open store and log and assemble the role. Raises StoreFailed, ProgramError, OSError, ValueError: each says what
    to do."""
    clock = SystemClock()
    appliance = options.appliance
    counters = Counters()
    edges = options.gateway.edges if isinstance(options, GatewayOptions) else 0
    mail_log = mail_log_of(directory, options, clock, counters, lag_ms=EDGES_LAG_MS if edges else 0)
    Files(str(directory / options.store.directory)).unlock()  # a running appliance is refused at once, by its name
    fence = Fence(directory / options.store.spool)
    store = await _open_store(directory, options, clock, fence)
    store.on_fatal = on_fatal
    tasks = Tasks(lambda name, error: mail_log.emit(log.Fault(error=f"{name}: {type(error).__name__}: {error}")))
    tasks.watch_loop()
    services = Services(appliance.name, store, mail_log, clock, tasks, _numbers(store))
    keys = Keys(directory / "keys")
    settle(keys)
    trust = Trust(keys, store.view.peers, lambda peer: next_of(store.view, peer), clock.now_ms)
    closers: list[Callable[[], None]] = [fence.close]
    role: Gateway | Manager
    try:
        if isinstance(options, GatewayOptions):
            processes = _edges(directory, options, services, store, counters, fence)
            role = _gateway(directory, options, services, trust=trust, edges=processes, closers=closers)
        else:
            await _make_quarantines(store, clock.now_ms())
            role = _manager(options, services, keys, trust)
    except BaseException:  # no crash: the next start finds what this one found
        for close in closers:
            close()
        await store.close(in_order=store.clean)
        raise
    meters = RunningMeters.of(role, counters)
    watch = Watch(
        role,
        keys,
        link_down_seconds=options.alerts.link_down_seconds,
        index_trouble=lambda: store.index_trouble,
    )
    return Appliance(directory, options, services, mail_log, counters, keys, trust, role, store, closers, meters, watch)


async def _open_store(directory: Path, options: Options, clock: SystemClock, fence: Fence) -> SqliteStore:
    try:
        spool = FileSpool(
            directory / options.store.spool,
            monotonic=clock.monotonic,
            reserve_bytes=options.store.reserve_bytes or None,
        )
        place, appliance = directory / options.store.directory, options.appliance
        return await SqliteStore.open(place, spool=spool, role=appliance.role, serial=appliance.serial, clock=clock)
    except BaseException:
        fence.close()
        raise


def _numbers(store: SqliteStore) -> Numbers:
    """Begin above all numbers that the last run can have used."""
    return Numbers.starting_at(int(store.view.setting(NUMBERS_SETTING, "1")))


async def _reserve(services: Services) -> None:
    """Connection numbers for the next start begin above those of this run, however many there are."""
    while True:
        await asyncio.sleep(RESERVE_SECONDS)
        if wanted := services.numbers.wanted():
            await services.store.submit(PutSetting(NUMBERS_SETTING, str(wanted)))
            services.numbers.reserved = wanted


def _gateway(
    directory: Path,
    options: GatewayOptions,
    services: Services,
    *,
    trust: Trust,
    edges: Edges | None,
    closers: list[Callable[[], None]],
) -> Gateway:
    settings = options.gateway
    program = compile_program(directory, options)
    room = WorkerRoom.below(directory / options.store.spool)
    room.make()
    content = Content(scan_bytes_max=settings.policy.scan_bytes_max, room=room)
    closers.append(content.close)
    engines = Engines(virus_engines(directory, settings, closers, room=room, emit=services.telemetry.emit), content)
    keys = Keys(directory / "keys")
    parts = GatewayParts(
        settings=settings,
        cpq=options.cpq,
        delivery=options.delivery,
        program=program,
        engines=engines,
        trust=trust,
        smtp_tls=server_context(str(keys.web_certificate), str(keys.web_key)),
        edges=edges,
        alerts=options.alerts,
    )
    return Gateway(services, parts)


def _edges(
    directory: Path, options: GatewayOptions, services: Services, store: SqliteStore, counters: Counters, fence: Fence
) -> Edges | None:
    """The processes that take mail, when the configuration wants some."""
    if not options.gateway.edges:
        return None

    def command(handed: Handed) -> list[str]:
        return [sys.executable, "-m", "pratique.front.edge", str(directory), handed.text(), str(os.getpid())]

    def texts() -> tuple[str, str]:
        text = effective(directory, (directory / FILE).read_text("utf-8"), FILE)[0].text
        return text, filters_of_file(directory, gateway_options(text).gateway.policy)

    count = options.gateway.edges
    return Edges(services, store, count=count, command=command, count_up=counters.add, fence=fence.fd, texts=texts)


def virus_engines(
    directory: Path,
    settings: GatewaySettings,
    closers: list[Callable[[], None]],
    *,
    room: WorkerRoom,
    emit: Callable[[log.Event], None],
) -> tuple[VirusEngine, ...]:
    """The engines of the configuration; what ends them is added to `closers`. `room`: the workers'; `emit`: to the mail
    log."""
    virus = settings.virus
    engines: list[VirusEngine] = []
    if virus.builtin:
        rules = compile_rules([directory / name for name in virus.rules_files])
        yara = YaraEngine(rules, workers=virus.workers, deadline_s=virus.scan_seconds, room=room)
        closers.append(yara.close)
        engines.append(yara)
    if virus.clamd:
        clamd = ClamdEngine(virus.clamd, deadline_s=virus.scan_seconds)
        closers.append(clamd.close)
        engines.append(clamd)
    return tuple(WatchedEngine(engine, emit, monotonic=SystemClock().monotonic) for engine in engines)


def _manager(options: ManagerOptions, services: Services, keys: Keys, trust: Trust) -> Manager:
    parts = ManagerParts(
        settings=options.manager,
        cpq=options.cpq,
        trust=trust,
        signing_key=load_signing_key(keys),
        alerts=options.alerts,
        ask=lambda peer: ask_place(peer, keys.ssh_client_key),
    )
    return Manager(services, parts)


async def _make_quarantines(store: SqliteStore, now_ms: int) -> None:
    """The quarantines that every manager has (docs/operate/quarantine.md)."""
    known = {q.name for q in store.view.quarantines()}
    for kind in SYSTEM_MADE.values():
        if kind.name not in known:
            quarantine = Quarantine(
                kind.name, kind.kind, kind.retention_s, kind.default_action, FREES_SPACE, created_at=now_ms
            )
            await store.submit(PutQuarantine(quarantine, ()))
