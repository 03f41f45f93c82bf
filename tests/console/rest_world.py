"""A manager's REST API in one process: the real application over a real store, messages as gateways hand them over."""

import base64
import functools
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.console.access.sessions import Sessions
from pratique.console.access.signin import SignIn
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import LinkState
from pratique.console.remote.entry import LocalEntry
from pratique.console.remote.far import FarEntry, far_desk
from pratique.console.remote.interface import Entry
from pratique.console.remote.reception import LocalReception
from pratique.console.rest.app import make_app
from pratique.mail.headers import decode_value, read_headers
from pratique.manager.attachments import list_attachments
from pratique.manager.release import Actor, Decided, Releaser
from pratique.net.tasks import Tasks
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.services import Numbers, Services
from pratique.store.moves import PutQuarantine, PutUser
from pratique.store.records import NewCopy, Quarantine, User
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore
from pratique.telemetry.counters import Counters
from pratique.transfer.metadata import encode
from tests.conformance.samples import MANAGER, NOW, SampleClock, Samples, hold
from tests.console.remote.wired import wired
from tests.transfer.test_metadata import example

PASSWORD = "correct horse"
BASE = "/sma/api/v2.0"
ROLES = (
    "administrator",
    "email-administrator",
    "operator",
    "guest",
    "helpdesk",
    "read-only-operator",
    "technician",
    "unheard-of",
)
SEEN = ("Policy", "Outbreak")  # what the users that are no administrators were given


@functools.cache
def hashed() -> str:
    """Cheap to check: what a pass phrase costs is tested in test_passwords.py."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass
class TestActs:
    """A manager's acts without its links."""

    __test__ = False

    releaser: Releaser
    changed: int = 0

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        return await self.releaser.decide(mid, quarantine, mark, cause, actor)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        return await self.releaser.retarget(mid, to, actor, override=override)

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        return await self.releaser.send_copy(mid, quarantine, addresses, actor)

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str) -> Decided:
        return await self.releaser.resolve(mid, actor, send=send, to=to)

    def row_written(self) -> None:
        return

    def quarantines_changed(self) -> None:
        self.changed += 1

    def deliver(self, mid: int) -> None:
        raise AssertionError("a manager delivers nothing")

    def links(self) -> tuple[LinkState, ...]:
        return (
            LinkState("the.cpq.release.host", "gw1.example", "GW" * 10, False, "connection refused", NOW + 5_000, 0),
        )

    def counters(self) -> dict[str, float]:
        return Counters().values()


@dataclass
class RestWorld:
    store: SqliteStore
    desk: Desk
    clock: SampleClock
    samples: Samples
    app: Any
    acts: TestActs
    client: httpx.AsyncClient
    signin: SignIn
    faults: list[str] = field(default_factory=list)
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    ends: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def call(
        self,
        method: str,
        path: str,
        *,
        user: str = "administrator",
        password: str = PASSWORD,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """`body`: octets as they are, anything else as JSON. `user` "" sends no credential."""
        sent = dict(headers or {})
        if user:
            sent.setdefault("Authorization", basic(user, password))
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return await self.client.request(method, BASE + path, content=content, headers=sent)

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, body: dict[str, Any], method: str = "POST", **options: Any) -> Any:
        answer = await self.call(method, "/quarantine/messages", body={"quarantineType": "pvo", **body}, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def held(self, octets: bytes = b"Subject: Offer\r\n\r\nHello.\r\n", **fields: Any) -> NewCopy:
        """A message in quarantine as manager.receive would store it."""
        headers = read_headers(octets)
        base: dict[str, Any] = {
            "custody": "HELD",
            "body": self.samples.body(octets),
            "hop": 1,
            "subject": decode_value(headers.get("subject") or b""),
            "from_header": decode_value(headers.get("from") or b""),
            "attachments": list_attachments(octets, headers),
            "context": encode(example()),
        }
        return await self.samples.accepted(**(base | fields))

    def mark(self, mid: int, quarantine: str = "Policy") -> str:
        return next(h.mark for h in self.store.view.holds(mid) if h.quarantine == quarantine)

    def custody(self, mid: int) -> str:
        copy = self.store.view.copy(mid)
        assert copy is not None
        return copy.custody

    def audited(self) -> list[tuple[str, str, int]]:
        return [(row.actor, row.action, row.mid) for row in self.store.view.audit(0, 10_000)]

    async def close(self) -> None:
        await self.client.aclose()
        await self.ends.aclose()
        await self.store.close()


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Silent:
    def emit(self, event: object) -> None:
        return


async def open_world(directory: Path, *, far: bool = False) -> RestWorld:
    """`far`: the API is served as in a console process, over a stream."""
    clock = SampleClock(salt="rest")
    spool = FileSpool(directory / "spool", monotonic=clock.monotonic, reserve_bytes=0, segment_bytes=1 << 22)
    store = await SqliteStore.open(directory, spool=spool, role="manager", serial=MANAGER, clock=clock)
    for made in SYSTEM_MADE.values():
        await store.submit(PutQuarantine(Quarantine(made.name, made.kind, made.retention_s, made.default_action), ()))
    for role in ROLES:
        await store.submit(PutUser(User(role, role, hashed(), SEEN), ()))
    tasks = Tasks(lambda name, error: None)
    services = Services("sma.example", store, Silent(), clock, tasks, Numbers())
    acts = TestActs(Releaser(services, key=Ed25519PrivateKey.generate(), rescan=("virus",)))
    desk = Desk("sma.example", "manager", "0.1.0", store, clock, Silent(), acts)

    def seconds() -> int:
        return clock.now_ms() // 1_000

    faults: list[str] = []
    notes: list[tuple[str, str, str]] = []
    signin = SignIn(
        store.view.user,
        Sessions(b"s" * 32, now=seconds, random=clock.random),
        monotonic=clock.monotonic,
        now=seconds,
        secret=b"k" * 32,
        note=lambda what, user, address: notes.append((what, user, address)),
    )
    ends = AsyncExitStack()
    served = desk
    entry: Entry = LocalEntry(desk, signin)
    if far:
        reception = LocalReception(desk, signin, note=lambda *said: None)
        custody = (await ends.enter_async_context(wired(desk, signin, reception, faults=faults))).custody
        served = far_desk(custody, name=desk.name, role=desk.role, version=desk.version, clock=clock)
        entry = FarEntry(custody)
    app = make_app(served, entry, fault=faults.append)
    transport = httpx.ASGITransport(app=app, client=("192.0.2.77", 4711))
    client = httpx.AsyncClient(transport=transport, base_url="https://sma.example:8443")
    return RestWorld(store, desk, clock, Samples(store), app, acts, client, signin, faults, notes, ends)


def holds(*names: str, **fields: Any) -> dict[str, Any]:
    """The `holds` of a message in these quarantines."""
    kinds = {"Virus": "virus", "Outbreak": "outbreak"}
    return {"holds": tuple(hold(name, kind=kinds.get(name, "policy"), **fields) for name in names)}
