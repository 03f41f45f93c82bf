"""The offering side of the quarantine port: one link to one peer, with its queue, its session and its pace.

A link dials when there is work, says hello, keeps a window of groups in flight on one session, and closes it after
five idle seconds. What is in doubt when a session ends is offered again, octet for octet, by the next one.
The durable queue is the store's open transfers; the list in memory is a bounded window onto it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from pratique.delivery.custody import Event
from pratique.delivery.retry import dial_delay_ms, refusal_delay_ms
from pratique.delivery.settings import RetrySettings
from pratique.mail.body import proved
from pratique.mail.ids import make_xid
from pratique.net.listener import dial
from pratique.runner.cpq_parts import Trusts
from pratique.runner.link_items import Ended, Health, Item, instance_of
from pratique.runner.link_session import LinkSession
from pratique.runner.recovery import GatewayRecovery
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.store.interface import Submitted
from pratique.store.moves import Acknowledged, Intend, TransfersAnswered
from pratique.store.records import Peer, Transfer
from pratique.telemetry import events as log
from pratique.transfer.messages import HelloReply, SealedGroup

WINDOW_ITEMS = 2048  # transfers kept ready in memory; the rest waits in the store
WINDOW_BYTES = 33_554_432  # body octets kept in memory for them
REFILL_ITEMS = 500
UNSETTLED_ROWS = 1000
JOURNAL_SECONDS = 1.0  # a row reaches the peer at the latest so long after its commit


class Link:
    """`moved(item, event)` is told after custody moved durably: Event.ACC or Event.CANC."""

    def __init__(
        self,
        services: Services,
        *,
        serial: str,
        destination: str,
        role: str,
        settings: CpqSettings,
        trust: Trusts,
        endpoint: Callable[[Peer], tuple[str, int]],
        moved: Callable[[Item, Event], None],
        readiness: Callable[[bool], None] = lambda ready: None,
        set_back: Callable[[Peer, int], None] = lambda peer, number: None,
        retry: RetrySettings | None = None,
        recovery: GatewayRecovery | None = None,
    ) -> None:
        self.services = services
        self.serial = serial
        self.destination = destination
        self.role = role
        self.settings = settings
        self.trust = trust
        self.retry = retry or RetrySettings()
        self.health = Health()
        self.queue: deque[Item] = deque()
        self._readiness = readiness
        self.set_back = set_back
        self._recovery = recovery
        self.paused_until = 0.0
        self.suspended = False  # by an operator: nothing is dialled
        self._endpoint = endpoint
        self._moved = moved
        self._withdrawn: set[int] = set()  # XQSEQ of transfers that another peer is offered now
        self._bytes = 0
        self._last_seq = 0
        self._behind = True  # the store may hold transfers that are not in the queue
        self._answered_seq = 0  # highest XQSEQ whose verdict is durable
        self._confirmed_seq = 0
        self._hello_wanted = True
        self._journal_due = True
        self._wake = asyncio.Event()
        self._wake.set()
        self.session: LinkSession | None = None
        self._retry_now = asyncio.Event()
        self._stopping = asyncio.Event()
        self._answered_by = ""  # the instance of the peer that answered the last hello
        self._paused_by = ""  # the one that asked us to wait
        self._died = False

    # --- work comes in
    def offer(self, item: Item) -> None:
        """A transfer that was just committed. Kept in memory while there is room, else found in the store later."""
        if item.seq <= self._last_seq:
            return  # a refill has seen it already
        size = len(item.octets) if item.octets is not None else 0
        if not self.has_room(size) or not item.intended:
            self._behind = True  # the refill writes the intent of those that are Q
        else:
            self.queue.append(item)
            self._last_seq = item.seq
            self._bytes += size
        self.wake()

    def has_room(self, size: int) -> bool:
        """A transfer that is offered now is kept in memory with its body; else it waits in the store alone."""
        return not self._behind and len(self.queue) < WINDOW_ITEMS and self._bytes + size <= WINDOW_BYTES

    def wake_from_store(self) -> None:
        """A transfer was committed elsewhere: look into the store."""
        self._behind = True
        self.wake()

    def journal_changed(self) -> None:
        """We committed a row that the peer must know."""
        self._journal_due = True
        if self.session is not None:
            self.session.journal_changed()
        self.wake()

    def wake(self) -> None:
        self._wake.set()
        if self.session is not None:
            self.session.work_soon()

    def peer(self) -> Peer | None:
        return self.services.store.view.peer(self.serial)

    # --- the queue, as the session sees it
    def next_item(self) -> Item | None:
        if not self.queue and self._behind:
            self._refill()
        if not self.queue:
            return None
        item = self.queue.popleft()
        self._bytes -= len(item.octets) if item.octets is not None else 0
        return item

    def take_back(self, items: list[Item]) -> None:
        """Unanswered transfers go to the head of the queue again, in order."""
        for item in reversed(items):
            if item.seq in self._withdrawn:
                continue
            self._bytes += len(item.octets) if item.octets is not None else 0
            self.queue.appendleft(item)

    def withdraw(self, seq: int) -> None:
        """The transfer of that number goes to another peer: it is not sent from here any more."""
        self._withdrawn.add(seq)
        kept = [item for item in self.queue if item.seq != seq]
        if len(kept) < len(self.queue):
            self.queue = deque(kept)
            self._bytes = sum(len(item.octets) for item in kept if item.octets is not None)

    def _refill(self) -> None:
        """Read the next open transfers; those that are not intended yet (Q) get their intent first."""
        found = self.services.store.view.open_transfers(self.serial, self._last_seq, REFILL_ITEMS)
        if not found:
            self._behind = False
            return
        self._last_seq = found[-1].seq
        self._behind = len(found) == REFILL_ITEMS
        busy = self.session.carried() if self.session is not None else set()
        found = [t for t in found if (t.cid, t.hop) not in busy]  # after forget_queue: what is under way stays so
        items = [item for t in found if (item := self.item_of(t)) is not None]
        waiting = tuple((t.cid, t.hop) for t in found if t.state == "Q")
        if not waiting:
            self.queue.extend(items)
            return

        def intended(future: Submitted) -> None:
            # Only what is X now may be sent: one taken back meanwhile is another route's. Failed intents stay Q: a
            # later refill from the start finds them.
            if future.exception() is None:
                self.queue.extend(item for item in items if self._in_doubt(item))
            else:
                self.forget_queue()
            self.wake()

        self.services.store.submit(Intend(waiting)).add_done_callback(intended)

    def _in_doubt(self, item: Item) -> bool:
        transfer = self.services.store.view.transfer(item.cid, item.hop)
        return transfer is not None and transfer.state == "X"

    def forget_queue(self) -> None:
        """Read the whole queue from the store again."""
        self.queue.clear()
        self._bytes = 0
        self._last_seq = 0
        self._behind = True

    def item_of(self, transfer: Transfer) -> Item | None:
        copy = self.services.store.view.copy(transfer.mid)
        if copy is None or copy.extent is None:
            self.services.telemetry.emit(
                log.Alarm(
                    message=f"MID {transfer.mid} waits for {self.destination} but its body is gone: `pratique doctor`",
                    cid=transfer.cid,
                    condition=log.Condition.CORRUPT,
                )
            )
            return None
        return Item(
            cid=transfer.cid,
            hop=transfer.hop,
            mid=transfer.mid,
            rids=tuple(range(len(copy.envelope.recipients))),
            group=SealedGroup(
                make_xid(transfer.cid, transfer.hop), transfer.commands, transfer.metadata, transfer.seal, transfer.size
            ),
            seq=transfer.seq,
            octets=None,
            attempts=transfer.attempts,
        )

    def pieces(self, item: Item) -> Iterator[bytes]:
        """The body's octets: from memory, or from the spool with its digest proved before the first is sent.
        Raises OSError when the stored body is not what was accepted."""
        if item.octets is not None:
            yield item.octets
            return
        found = self.services.store.view.body(item.mid)
        if found is None:
            raise OSError("the body is gone")
        yield from proved(self.services.store.spool.open(*found)).pieces()

    # --- custody
    def answered(self, answers: list[tuple[Item, Event, int, int]], dcid: int, done: Callable[[bool], None]) -> None:
        """Make DONE (or CANC) durable for all answers of one read, in one commit, then tell the role."""
        move = TransfersAnswered(
            tuple(
                Acknowledged(item.cid, item.hop, event, inc, seq, peer=self.serial) for item, event, inc, seq in answers
            ),
            self.role,
        )

        emit = self.services.telemetry.emit

        def durable(future: Submitted) -> None:
            error = future.exception()
            if error is None:
                self._answered_seq = max(self._answered_seq, *(item.seq for item, *_ in answers))
                for item, event, _, _ in answers:
                    if event is Event.ACC:
                        emit(log.MessageDone(dcid=dcid, mid=item.mid, rids=item.rids, quarantine=True, cid=item.cid))
                    self._moved(item, event)
            else:  # the transfers stay X: they are offered again and acknowledged again
                emit(
                    log.Fault(
                        condition=log.Condition.STORE,
                        error=f"store: {error}; {len(answers)} acknowledged transfers will be offered again",
                    )
                )
                self.forget_queue()
            done(error is None)

        self.services.store.submit(move).add_done_callback(durable)

    def confirmable(self) -> int:
        """All our transfers up to this number are settled and will be neither sent nor cancelled; 0 = nothing new."""
        oldest = self.services.store.view.open_transfers(self.serial, 0, 1)
        settled = min(self._answered_seq, oldest[0].seq - 1) if oldest else self._answered_seq
        for transfer in self.services.store.view.unsettled_transfers(UNSETTLED_ROWS):
            if transfer.peer == self.serial and transfer.state == "STUCK":
                settled = min(settled, transfer.seq - 1)  # a person may still cancel it
        if settled <= self._confirmed_seq:
            return 0
        self._confirmed_seq = settled
        return settled

    # --- the loop
    async def run(self) -> None:
        """Dial whenever there is work, until `stop`. May be begun anew after it died: what it had taken up lies in the
        store, and is in doubt at the most."""
        if self._died:
            self.forget_queue()
            self.wake()
        self._died = True  # unless it returns, it did
        attempt = 0
        while not self._stopping.is_set():
            await self._wake.wait()
            self._wake.clear()
            if self._stopping.is_set() or self.suspended or not self._has_work():
                continue
            ended = await self._session()
            if self._stopping.is_set():
                return
            if ended.good:
                attempt = 0
                if self._has_work() and not ended.pause_seconds:
                    self._wake.set()
                    continue
            if not ended.good:
                self._readiness(False)  # what is accepted meanwhile stays Q: any route is still open to it
                self._hello_wanted = True  # also when nothing waits: operators and the planner must hear it is back
            attempt = 0 if ended.good else attempt + 1
            self._paused_by = self._answered_by if ended.pause_seconds else ""
            await self._sleep(ended.pause_seconds or self._back_off(attempt, ended.refused))
            self._wake.set()

    def _has_work(self) -> bool:
        """Looks, but writes no intent: that waits until a hello was answered READY."""
        return bool(self.queue) or self._hello_wanted or self._store_waits() or self._journal_waits()

    def _store_waits(self) -> bool:
        if self._behind and not self.services.store.view.open_transfers(self.serial, self._last_seq, 1):
            self._behind = False
        return self._behind

    def _journal_waits(self) -> bool:
        if not self._journal_due:
            return False
        peer = self.peer()
        waits = peer is not None and bool(self.services.store.view.journal(self.serial, peer.journal_out, 1))
        self._journal_due = waits
        return waits

    def _back_off(self, attempt: int, refused: bool) -> float:
        if attempt == 0:
            return 0.0
        jitter = self.services.clock.random(1)[0] / 255
        if refused:
            return refusal_delay_ms(jitter, self.retry) / 1000
        return dial_delay_ms(attempt, jitter, self.retry) / 1000

    async def _sleep(self, seconds: float) -> None:
        self.health.next_attempt_ms = self.services.clock.now_ms() + int(seconds * 1000)
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._retry_now.wait()
        except TimeoutError:
            return
        self._retry_now.clear()

    async def _session(self) -> Ended:
        peer = self.peer()
        if peer is None or peer.withdrawn:
            self._stopping.set()
            return Ended(good=True)
        if peer.locked:
            self.health.last_error = f"locked: {peer.locked}"
            return Ended(good=False, refused=True)
        host, port = self._endpoint(peer)
        session = LinkSession(self, peer, host, port)
        self.health.connections += 1
        self.health.active_ms = self.services.clock.now_ms()
        self.health.attempt(host, port)
        try:
            self.session = session
            try:
                await dial(session.new_pump, host, port, source=self.settings.source)
            except OSError as error:
                session.not_connected(error)
            return await session.ended
        finally:
            self._answered_by = session.answered_by
            self.session = None
            self.health.connections -= 1

    def retry_now(self) -> None:
        """An operator says that waiting is over."""
        self._retry_now.set()
        self.wake()

    def suspend(self) -> None:
        """Nothing is dialled until `resume`; a session ends when what is under way was answered."""
        self.suspended = True
        self._readiness(False)
        if self.session is not None:
            self.session.finish()

    def resume(self) -> None:
        if self.suspended:
            self.suspended = False
            self.hello_again()

    def break_off(self) -> None:
        """The session under way ends now; what is in doubt is offered again by the next one."""
        if self.session is not None and self.session.pump is not None:
            self.session.pump.abort()

    def met(self) -> None:
        """The peer said hello: it can be reached again. A wait that this very instance asked for goes on, or two peers
        that both wait would call each other without end."""
        if not self._paused_by or self._paused_by != self._instance():
            self.retry_now()

    def _instance(self) -> str:
        """With its incarnation: a new one ends a set-back while the peer runs on."""
        peer = self.peer()
        return instance_of(peer.nonce, peer.inc) if peer is not None else ""

    def hello_again(self) -> None:
        """Say hello now, whether or not there is work: what an administrator did may have changed the answer."""
        self._hello_wanted = True
        self.retry_now()

    def dial_anew(self) -> None:
        """Hello on a new connection, as soon as what is under way was answered."""
        if self.session is not None and self.session.answered_by:
            self.session.finish()
        self.hello_again()

    def hold(self) -> None:
        """A set-back was found: no custody step on the session under way, and hello until it is accepted."""
        self._hello_wanted = True
        self._readiness(False)
        self.forget_queue()  # what is in doubt towards a peer that was set back is not offered again by itself
        if self.session is not None:
            self.session.hold()
        self.wake()

    def recover(self, session: LinkSession, peer: Peer, reply: HelloReply) -> bool:
        """Is there a step of somebody's recovery to do on this session? Then it is begun."""
        return self._recovery is not None and self._recovery.step(session, peer, reply)

    def testimony(self, peer: Peer) -> tuple[int, int, int] | None:
        return self._recovery.testimony(peer) if self._recovery is not None else None

    def renew(self) -> None:
        """Our own incarnation is another: what is bound to the older one ends."""
        self.forget_queue()
        if self.session is not None:
            self.session.finish()
        self.hello_again()

    def said_hello(self, *, ready: bool, held: bool = False) -> None:
        self._hello_wanted = held
        self._readiness(ready)

    async def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._retry_now.set()
        if self.session is not None:
            self.session.finish()
