"""A desk over a store in memory whose links and counters a test sets, and who listens to a verb."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import Gauges, LinkState
from pratique.console.verbs.verb import NoAnswer, commands_of, load_verbs, perform
from pratique.runner.giving_up import Ended
from pratique.runner.suspension import Suspension
from pratique.store.memory import MemoryStore
from pratique.store.records import AuditEntry
from pratique.telemetry import events as log
from pratique.telemetry.lives import Lives
from tests.conformance.samples import GATEWAY, MANAGER, NOW, SampleClock, Samples

ADMIN = Person("admin", "administrator", "password")
OPERATOR = Person("olga", "operator", "password", quarantines=("Policy",))
load_verbs()


class Listener:
    """A Talk; `answers` are given to questions in order, and then nobody answers."""

    width = 80

    def __init__(self, *answers: str, pauses: int = 0) -> None:
        self.pauses = pauses
        self.answers = deque(answers)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.complaints: list[str] = []

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    async def ask(self, question: str, default: str = "", *, secret: bool = False) -> str:
        self.asked.append(question)
        if not self.answers:
            raise NoAnswer(question)
        return self.answers.popleft() or default

    async def pause(self, seconds: float) -> bool:
        self.pauses -= 1
        return self.pauses >= 0

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@dataclass
class SetActs:
    """What a test says that the running role knows."""

    known: list[LinkState] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    delivered: list[int] = field(default_factory=list)
    rows: int = 0  # of which the peer was to hear

    def links(self) -> tuple[LinkState, ...]:
        return tuple(self.known)

    def counters(self) -> dict[str, float]:
        return dict(self.numbers)

    def row_written(self) -> None:
        self.rows += 1

    def deliver(self, mid: int) -> None:
        self.delivered.append(mid)

    def quarantines_changed(self) -> None:
        return


class SetQueues:
    def __init__(self) -> None:
        self.woken: list[str] = []
        self.ended: list[tuple[Any, ...]] = []
        self.result = Ended()
        self.why: dict[int, str] = {}
        self.names: tuple[str, ...] = ("cpq_listener",)
        self.applied: list[Suspension] = []
        self.waited: list[tuple[float, bool]] = []
        self.redirected: list[tuple[Any, ...]] = []

    def wake(self, host: str) -> int:
        self.woken.append(host)
        return 3

    async def end_waiting(self, host: str, mids: frozenset[int] | None, actor: str, *, bounced: bool) -> Ended:
        self.ended.append((host, mids, actor, bounced))
        return self.result

    async def end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        self.ended.append((mid, actor, bounced))
        return self.why.get(mid, "")

    def redirect(self, host: str, mids: frozenset[int] | None, to: str) -> int:
        self.redirected.append((host, mids, to))
        return 2

    def listeners(self) -> tuple[str, ...]:
        return self.names

    def apply(self, now: Suspension) -> None:
        self.applied.append(now)

    async def quiet(self, seconds: float, *, receiving: bool) -> None:
        self.waited.append((seconds, receiving))


class SetMeters:
    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.lives = Lives(lambda: self.values, "", now_ms=NOW - 3_034_000)
        self.open = Gauges(3, 2, 41, 7, 9)
        self.connected: dict[tuple[str, str, str], int] = {}

    def gauges(self) -> Gauges:
        return self.open

    def clients(self) -> dict[tuple[str, str, str], int]:
        return self.connected

    async def reset(self, entry: AuditEntry) -> None:
        self.lives.reset(NOW)


class World:
    """`role`: gateway or manager; the other appliance is enrolled by `await enrolled()`."""

    def __init__(self, role: str) -> None:
        self.clock = SampleClock(salt=role)
        self.store: Any = MemoryStore(
            role=role, serial={"gateway": GATEWAY, "manager": MANAGER}[role], clock=self.clock
        )
        self.samples = Samples(self.store)
        self.acts, self.queues, self.meters = SetActs(), SetQueues(), SetMeters()
        if role == "gateway":
            self.queues.names = ("InboundMail", "OutboundMail", "cpq_listener")
        self.events: list[log.Event] = []
        acts: Any = self.acts
        queues: Any = self.queues
        self.desk = Desk(
            f"{role}.example", role, "0.1.0", self.store, self.clock, self, acts, queues=queues, meters=self.meters
        )

    def emit(self, event: log.Event) -> None:
        self.events.append(event)

    async def run(self, line: str, *answers: str, person: Person = ADMIN) -> tuple[int, Listener]:
        """The exit status of the last command of the line, and what was said."""
        talk, status = Listener(*answers), 0
        for words in commands_of(line):
            status = await perform(self.desk, person, words, talk)
        return status, talk

    async def said(self, line: str, *answers: str, person: Person = ADMIN) -> str:
        """What the line says; it succeeds and complains of nothing."""
        status, talk = await self.run(line, *answers, person=person)
        assert (status, talk.complaints) == (0, []), talk.complaints
        return talk.text

    async def refused(self, line: str, person: Person = ADMIN) -> str:
        """Why the line does nothing."""
        status, talk = await self.run(line, person=person)
        assert status != 0
        assert talk.said == [] or talk.complaints, talk.said
        return "\n".join(talk.complaints)

    async def refused_after(self, line: str) -> str:
        """Why the line fails, whatever it had said before."""
        status, talk = await self.run(line)
        assert status != 0
        return "\n".join(talk.complaints)

    def audited(self) -> list[tuple[str, str, int, str]]:
        return [(row.actor, row.action, row.mid, row.detail) for row in self.store.view.audit(0, 10_000)]
