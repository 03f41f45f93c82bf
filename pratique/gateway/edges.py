"""The edge processes of a gateway, as custody sees them: started, told what they must know, replaced when they die.

An edge takes SMTP, judges, and writes bodies; custody, this process, is the only writer of rows. Custody binds the
listeners (so that only it needs a low port), makes one socket for each edge, and hands them down.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pratique.gateway.apply import NoManager, Planner, deliveries_for
from pratique.gateway.settings import Listener
from pratique.gateway.tally import clear_row, make_shared, open_connections
from pratique.mail.text import log_text
from pratique.net.listener import bind
from pratique.runner.alerts.conditions import SORTS, Heard
from pratique.runner.services import Services
from pratique.store.records import NewCopy
from pratique.store.remote.lease import pair
from pratique.store.remote.server import Duties, EdgePort
from pratique.store.remote.wire import CopyFrame, Troubled
from pratique.store.sqlite.store import SqliteStore
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

START_SECONDS = 30.0  # an edge that does not listen by then is not going to
STOP_SECONDS = 12.0  # sessions may finish what they have begun; then the process is killed
BACK_OFF_SECONDS = (0.1, 1.0, 5.0, 30.0)  # between an edge's end and the next start, when it keeps ending
LINGER_SECONDS = 1.0  # a process whose stream has ended is ending; its status tells more than our signal
STEADY_SECONDS = 60.0  # an edge that lived so long starts again at once


@dataclass(frozen=True, slots=True)
class Handed:
    """What an edge is started with, as JSON on its command line: file descriptors, by listener where there are many."""

    number: int
    edges: int
    stream: int
    lease: int
    fence: int
    listeners: list[int]
    tallies: list[int]

    def text(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def of(cls, text: str) -> "Handed":
        return cls(**json.loads(text))

    def descriptors(self) -> tuple[int, ...]:
        return (self.stream, self.lease, self.fence, *self.listeners, *self.tallies)


@dataclass(slots=True)
class Edge:
    number: int
    sockets: list[socket.socket]
    port: EdgePort | None = None
    process: asyncio.subprocess.Process | None = None
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    ends: int = 0  # in a row, each soon after its start


class Outlets(Protocol):
    """Where committed copies go on; given by the role."""

    def transfer(self, copy: NewCopy) -> None: ...
    def deliver(self, copy: NewCopy) -> None: ...
    def unjudged(self, copy: NewCopy) -> None: ...
    def troubled(self, said: Heard) -> None: ...


class Edges:
    """`command(handed)` is the command line of an edge process; `count_up(name, amount)` adds to our counters; `fence`
    is a file that edges hold open as long as they live; `texts()`: the configuration and its filters file, checked."""

    def __init__(
        self,
        services: Services,
        store: SqliteStore,
        *,
        count: int,
        command: Callable[[Handed], Sequence[str]],
        count_up: Callable[[str, int], None],
        fence: int,
        texts: Callable[[], tuple[str, str]],
    ) -> None:
        self._services = services
        self._store = store
        self._count = count
        self._command = command
        self._count_up = count_up
        self._fence = fence
        self._texts = texts
        self._planner = Planner(services)
        self._outlets: Outlets | None = None
        self._edges: list[Edge] = []
        self._tallies: list[int] = []
        self._temporary = ""  # theirs alone: sockets between them and their workers
        self._stopping = False
        self._suspended: tuple[str, ...] = ()
        self._paused = False

    # --- life
    async def start(self, listeners: Sequence[Listener], planner: Planner, outlets: Outlets) -> None:
        """Bind all listeners, start the edges, return when each takes mail. Raises OSError."""
        self._planner, self._outlets = planner, outlets
        self._tallies = [make_shared(self._count) for _ in listeners]
        self._temporary = tempfile.mkdtemp(prefix="pratique-")
        for number in range(self._count):
            edge = Edge(number, [])
            self._edges.append(edge)
            edge.sockets.extend(bind(listener.address, listener.port) for listener in listeners)
        for edge in self._edges:
            self._services.tasks.spawn(self._keep(edge), f"edge {edge.number}")
        try:
            async with asyncio.timeout(START_SECONDS):
                for edge in self._edges:
                    await edge.listening.wait()
        except TimeoutError as error:
            raise OSError("an edge process does not come up; its words are above") from error

    async def _keep(self, edge: Edge) -> None:
        """Run the edge, again and again, until we stop."""
        clock = self._services.clock
        while not self._stopping:
            began = clock.monotonic()
            code = await self._run(edge)
            if self._ending():
                return
            edge.ends = 0 if clock.monotonic() - began > STEADY_SECONDS else edge.ends + 1
            wait = BACK_OFF_SECONDS[min(edge.ends, len(BACK_OFF_SECONDS) - 1)]
            name = edge_name(edge)
            self._services.supervisor.died(
                name, f"status {code}", wait, what="clients send again what was not answered"
            )
            await asyncio.sleep(wait)

    def _ending(self) -> bool:
        return self._stopping

    async def _run(self, edge: Edge) -> int:
        loop = asyncio.get_running_loop()
        (mine, theirs), (lessor, lessee) = socket.socketpair(), pair()
        for fd in self._tallies:
            clear_row(fd, edge.number)
        handed = Handed(
            number=edge.number,
            edges=self._count,
            stream=theirs.fileno(),
            lease=lessee.fileno(),
            fence=self._fence,
            listeners=[bound.fileno() for bound in edge.sockets],
            tallies=self._tallies,
        )
        mine.setblocking(False)
        edge.listening.clear()
        port = edge.port = EdgePort(self._store, self._duties(edge), lessor)
        await loop.create_unix_connection(lambda: port, sock=mine)
        port.know(self._planner.manager)
        port.suspend(self._suspended, paused=self._paused, close=False)
        with theirs, lessee:
            edge.process = process = await asyncio.create_subprocess_exec(
                *self._command(handed),
                pass_fds=handed.descriptors(),
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | {"TMPDIR": self._temporary},
            )
        if self._stopping:
            _kill(process)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            _kill(process)
            raise
        port.cut(f"its process ended with status {code}")
        return code

    async def stop(self) -> None:
        """Edges take nothing new and end; what they were given is committed or refused before."""
        self._stopping = True
        running = [edge for edge in self._edges if edge.process is not None and edge.process.returncode is None]
        for edge in running:
            if edge.port is not None:
                edge.port.stop()
        for edge in running:
            assert edge.process is not None
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await edge.process.wait()
            except TimeoutError:
                edge.process.kill()
                await edge.process.wait()
        for edge in self._edges:
            for bound in edge.sockets:
                bound.close()
        for fd in self._tallies:
            os.close(fd)
        self._tallies = []
        shutil.rmtree(self._temporary, ignore_errors=True)

    # --- to the edges
    def know(self, manager: str) -> None:
        """The manager that is enrolled now, "" = none."""
        for edge in self._edges:
            if edge.port is not None:
                edge.port.know(manager)

    def suspend(self, listeners: Sequence[str], *, paused: bool, close: bool = False) -> None:
        """Those take nothing from now on, in every edge; with `close` their sessions end now."""
        self._suspended, self._paused = tuple(listeners), paused
        for edge in self._edges:
            if edge.port is not None:
                edge.port.suspend(self._suspended, paused=paused, close=close)

    def connections(self, listeners: Sequence[Listener], wanted: Collection[str] | None = None) -> int:
        """Sessions of all edges, on all listeners or on those named."""
        counted = zip(listeners, self._tallies, strict=False)
        return sum(open_connections(fd, self._count) for one, fd in counted if wanted is None or one.name in wanted)

    def reload(self) -> None:
        """Edges hear of the new configuration, and reopen their logs. Raises OSError."""
        texts = self._texts()
        for edge in self._edges:
            if edge.process is not None and edge.process.returncode is None:
                edge.process.send_signal(signal.SIGHUP)
            if edge.port is not None:
                edge.port.configure(*texts)

    # --- from the edges
    def _duties(self, edge: Edge) -> Duties:
        return Duties(
            complete=self._complete,
            accepted=self._accepted,
            connections=self._services.numbers.icid.block,
            counted=self._counted,
            listening=lambda: self._listening(edge),
            lost=lambda why: self._lost(edge, why),
            troubled=lambda said: self._troubled(edge, said),
        )

    def _listening(self, edge: Edge) -> None:
        self._services.supervisor.lives(edge_name(edge))
        edge.listening.set()

    def _lost(self, edge: Edge, why: str) -> None:
        edge.port = None
        if self._stopping:
            return
        self._log(log.Trouble(message=f"edge process {edge.number} is cut off: {why}"))
        if edge.process is not None:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, _kill, edge.process)

    def _complete(self, frame: CopyFrame) -> NewCopy:
        envelope = frame.envelope()
        transfer = None
        if frame.metadata:
            try:
                transfer = self._planner.transfer(frame.cid, 1, envelope, frame.extent[2], frame.sha256, frame.metadata)
            except NoManager as error:
                raise ValueError("no manager is enrolled any more") from error
        ways = deliveries_for(envelope, frame.at) if frame.custody == "ACTIVE" else ()
        origin = self._services.store.identity.serial, self._services.name
        return frame.copy(envelope, origin, ways=ways, transfer=transfer)

    def _accepted(self, copies: Sequence[NewCopy]) -> None:
        assert self._outlets is not None
        for copy in copies:
            if copy.transfer is not None:
                self._outlets.transfer(copy)
            elif copy.custody == "ACTIVE":
                self._outlets.deliver(copy)
            elif copy.custody == "RECEIVED":
                self._outlets.unjudged(copy)

    def _troubled(self, edge: Edge, said: Troubled) -> None:
        """An edge reads hostile octets, so little of what it says is believed: the subject is ours, the text is escaped
        and cut, and alerts of one condition are one, however often it says so."""
        if said.condition not in SORTS:
            return
        condition = Condition(said.condition)
        assert self._outlets is not None
        text = log_text(f"{edge_name(edge)}: {said.text}")
        self._outlets.troubled(Heard(condition, edge_name(edge), SORTS[condition], text, said.over))

    def _counted(self, counters: dict[str, int]) -> None:
        for name, amount in counters.items():
            self._count_up(name, amount)

    def _log(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


def edge_name(edge: Edge) -> str:
    return f"edge process {edge.number}"


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
