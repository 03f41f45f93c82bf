"""Alerts of a running appliance: events of the mail log in, mail into the appliance's own queue out.

The mail log hands over what it has written (`hear`), which only queues; the loop (`run`) decides by repeats.py, stores
the mail with its recipients in one commit, and gives it to the deliverer. So an alert never delays mail or a log line,
and once it is stored no crash and no mail server that is away loses it. A failed alert is logged and raises none.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pratique import __version__
from pratique.mail.address import domain_of
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.runner.alerts.conditions import SORTS, SPEAKING, Heard, heard
from pratique.runner.alerts.latest import KEPT_MAX, SETTING, Raised, read, written
from pratique.runner.alerts.letter import Letter
from pratique.runner.alerts.repeats import Repeats, Told
from pratique.runner.alerts.settings import AlertRecipient, AlertSettings
from pratique.runner.services import Services, audit
from pratique.store.interface import Stored, View
from pratique.store.moves import Accept, Forget, PutSetting, StoreFailed
from pratique.store.records import Delivery, NewCopy, NewDelivery
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

HEARD_MAX = 1_000  # events that wait for the loop; of more the oldest are forgotten, the log has them
WAITING_MAX = 100  # mails that the store has refused so far
STORE_RETRY_SECONDS = 30.0  # wait after the store refused one
SLACK_SECONDS = 1.0  # between the two clocks, when old alerts are counted anew
LOOK_SECONDS = 60.0  # longest sleep
NEVER = "NEVER"  # NOTIFY (RFC 3461): nobody is told that an alert failed but the log
TEST_TEXT = "This is a test of the alerts of this appliance; nothing is wrong"


class Alerts:
    def __init__(self, services: Services, settings: AlertSettings, *, offer: Callable[[NewCopy], None]) -> None:
        """`offer` takes a copy that was just committed with its deliveries: the deliverer's."""
        self._services = services
        self._settings = settings
        self._offer = offer
        self._repeats = Repeats(settings.initial_seconds, settings.max_seconds)
        self._heard: deque[Heard] = deque(maxlen=HEARD_MAX)
        self._said: dict[str, Heard] = {}  # by key: what was heard last
        self._wake = asyncio.Event()
        self._waiting: deque[tuple[Raised, Letter]] = deque(maxlen=WAITING_MAX)
        self._retry_at = 0.0
        self._counts: Counter[tuple[str, str]] = Counter()
        self.latest = read(services.store.view.setting(SETTING))
        self._open = {one.mid for one in self.latest if one.open}
        self._remember_told()

    def _remember_told(self) -> None:
        """Intervals outlive a restart: an appliance that crashes again and again must not send a mail each time."""
        clock = self._services.clock
        for one in self.latest:
            age = (clock.now_ms() - one.at) / 1000
            if one.key and 0 <= age <= self._settings.max_seconds:
                then = clock.monotonic() - age
                self._repeats.due(then + SLACK_SECONDS)
                self._repeats.ended(one.key, then) if one.over else self._repeats.raised(one.key, then)

    def use(self, settings: AlertSettings) -> None:
        """Recipients and intervals from the next alert on."""
        self._settings = settings
        self._repeats.use(settings.initial_seconds, settings.max_seconds)

    # --- in
    def hear(self, batch: Iterable[tuple[log.Event, int]]) -> None:
        """Events that were just logged. Never blocks, never raises."""
        for event, _ in batch:
            if type(event) in SPEAKING and (said := heard(event)) is not None:
                self.take(said)

    def take(self, said: Heard) -> None:
        """One that is not from our own log: an edge process has said it."""
        self._heard.append(said)
        self._wake.set()

    async def run(self) -> None:
        """For ever: decide, store, give to the queue."""
        while True:
            await self.round()
            try:
                async with asyncio.timeout(self._sleep()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def round(self) -> None:
        """What was heard, and what has become due."""
        while self._heard:
            said = self._heard.popleft()
            now = self._services.clock.monotonic()
            told = self._repeats.ended(said.key, now) if said.over else self._repeats.raised(said.key, now)
            self._remember(said)
            if told is None:
                self._count(str(said.sort), "suppressed" if not said.over else "")
            else:
                await self._tell(said, told)
        for told in self._repeats.due(self._services.clock.monotonic()):
            if told.key in self._said:
                await self._tell(self._said[told.key], told)
        await self._store_waiting()

    def _remember(self, said: Heard) -> None:
        self._said.pop(said.key, None)
        self._said[said.key] = said
        while len(self._said) > HEARD_MAX:
            del self._said[next(iter(self._said))]

    def _sleep(self) -> float:
        now, due = self._services.clock.monotonic(), self._repeats.next_at()
        wanted = [LOOK_SECONDS] + ([due - now] if due is not None else [])
        if self._waiting:
            wanted.append(self._retry_at - now)
        return max(0.01, min(wanted))

    # --- out
    async def test(self) -> Raised:
        """A test alert to every recipient, whatever it wants to hear; on return it is in the queue. Raises StoreFailed,
        OSError."""
        said = Heard(Condition.TEST, "", SORTS[Condition.TEST], TEST_TEXT)
        return await self._post(*self._written(said, Told("", False, 0), self._settings.recipients))

    async def _tell(self, said: Heard, told: Told) -> None:
        wanted = [one for one in self._settings.recipients if one.wants(said.sort.kind, said.sort.severity)]
        raised, letter = self._written(said, told, wanted if self._settings.enabled else ())
        try:
            await self._post(raised, letter)
        except (StoreFailed, OSError) as error:
            self._not_stored(raised, letter, error)

    def _written(self, said: Heard, told: Told, to: Iterable[AlertRecipient]) -> tuple[Raised, Letter]:
        services, sort = self._services, said.sort
        letter = Letter(
            host=services.name,
            serial=services.store.identity.serial,
            version=__version__,
            sender=self._settings.sender or f"alert@{services.name}",
            sort=sort,
            text=said.text,
            at=services.clock.now_ms(),
            more=told.more,
            over=told.over,
        )
        addresses = tuple(dict.fromkeys(one.address for one in to))
        raised = Raised(
            letter.at,
            sort.kind.value,
            sort.severity.value,
            letter.subject,
            said.text,
            told.more,
            told.over,
            to=addresses,
            key=told.key,
        )
        return raised, letter

    async def _post(self, raised: Raised, letter: Letter) -> Raised:
        """Durable on return, and offered to the deliverer."""
        if raised.to:
            copy = self._copy(raised, letter)
            raised = replace(raised, mid=copy.mid, open=True)
            detail = f'"{raised.sort}"'
            await self._services.store.submit(
                Accept((copy,), (audit("system", "alert", copy.mid, copy.cid, detail=detail),))
            )
            self._open.add(copy.mid)
            self._keep(raised)
            self._offer(copy)
        else:
            self._keep(raised)
        self._count(raised.sort, "raised")
        self._emit(log.AlertRaised(sort=raised.sort, subject=raised.subject, mid=raised.mid))
        return raised

    def _copy(self, raised: Raised, letter: Letter) -> NewCopy:
        """The mail as a copy; its body lies in the spool. Raises StoreFailed."""
        services = self._services
        mid, cid = services.store.next_mid(), make_cid(raised.at, services.clock.random(10))
        stored = self._store(letter.octets(f"<alert.{cid}@{services.name}>"))
        envelope = Envelope("", tuple(Recipient(address, notify=NEVER) for address in raised.to))
        return NewCopy(
            mid=mid,
            cid=cid,
            hop=0,
            custody="ACTIVE",
            icid=0,
            at=raised.at,
            envelope=envelope,
            extent=stored.extent,
            sha256=stored.sha256,
            subject=raised.subject,
            origin_serial=services.store.identity.serial,
            origin_host=services.name,
            origin_mid=mid,
            deliveries=tuple(
                NewDelivery(rid, address, domain_of(address), raised.at, NEVER) for rid, address in enumerate(raised.to)
            ),
        )

    def _store(self, octets: bytes) -> Stored:
        writer = self._services.store.spool.writer()
        try:
            writer.write(octets)
            return writer.finish()
        except StoreFailed:
            writer.abort()
            raise

    def _not_stored(self, raised: Raised, letter: Letter, error: Exception) -> None:
        """It waits in memory for the store; one that can wait no more is given up, by name."""
        if isinstance(error, StoreFailed) and error.fatal:
            self._given_up(raised, str(error))
            return
        if len(self._waiting) == WAITING_MAX:
            self._given_up(self._waiting[0][0], "too many wait for the store")
        self._waiting.append((raised, letter))
        self._retry_at = self._services.clock.monotonic() + STORE_RETRY_SECONDS

    async def _store_waiting(self) -> None:
        while self._waiting and self._services.clock.monotonic() >= self._retry_at:
            raised, letter = self._waiting.popleft()
            try:
                await self._post(raised, letter)
            except (StoreFailed, OSError) as error:
                self._not_stored(raised, letter, error)

    def _given_up(self, raised: Raised, why: str) -> None:
        for address in raised.to:
            self._count(raised.sort, "failed")
            self._emit(log.AlertNotSent(sort=raised.sort, to=address, why=why))

    # --- what became of it
    def finished(self, mid: int) -> None:
        """No recipient of this copy is open any more (durable). Another's copy is none of ours."""
        if mid not in self._open:  # nearly every message
            return
        self._open.discard(mid)
        for number, raised in enumerate(self.latest):
            if raised.mid == mid and raised.open:
                self._tell_fates(raised)
                self.latest[number] = replace(raised, open=False)
                self._write()

    def take_up(self) -> None:
        """At start: what ended while it could not be told."""
        for raised in list(self.latest):
            if raised.open and not any(row.state in ("DUE", "DOT") for row in self.deliveries(raised.mid)):
                self.finished(raised.mid)

    def deliveries(self, mid: int) -> tuple[Delivery, ...]:
        """How its recipients fare; none when its rows are gone."""
        return tuple(self._services.store.view.deliveries(mid)) if mid else ()

    def _tell_fates(self, raised: Raised) -> None:
        for row in self.deliveries(raised.mid):
            if row.state == "DELIVERED":
                self._count(raised.sort, "sent")
                self._emit(log.AlertSent(sort=raised.sort, to=row.address, subject=raised.subject))
            else:
                self._count(raised.sort, "failed")
                self._emit(log.AlertNotSent(sort=raised.sort, to=row.address, why=row.reply or row.state))

    def _keep(self, raised: Raised) -> None:
        self.latest.append(raised)
        gone, self.latest = self.latest[:-KEPT_MAX], self.latest[-KEPT_MAX:]
        self._write()
        if mids := tuple(one.mid for one in gone if one.mid):
            # The rows of an alert that is over go with its entry; one that is still under way refuses to.
            self._submit(Forget(mids, ()))

    def _write(self) -> None:
        self._submit(PutSetting(SETTING, written(self.latest)))

    def _submit(self, move: Any) -> None:
        """Without waiting; a store that refuses it has said so itself."""
        self._services.store.submit(move).add_done_callback(lambda future: future.cancelled() or future.exception())

    # --- numbers
    def counts(self) -> dict[str, float]:
        """alerts.CLASS.SEVERITY.OUTCOME -> how often since the start; outcomes: raised, suppressed, sent, failed."""
        return {f"alerts.{sort.replace('/', '.')}.{outcome}": n for (sort, outcome), n in self._counts.items()}

    def _count(self, sort: str, outcome: str) -> None:
        if outcome:
            self._counts[sort, outcome] += 1

    def _emit(self, event: log.Event) -> None:
        self._services.telemetry.emit(event)


def kept(view: View) -> list[Raised]:
    """Of an appliance that may not run; oldest first."""
    return read(view.setting(SETTING))
