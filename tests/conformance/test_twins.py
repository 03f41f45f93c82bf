"""Both backends side by side: random moves, the same results, the same refusals, the same views.

The memory store is a second implementation made from the same docstrings; where the two differ one of them is wrong.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pratique.store.audit import broken_at
from pratique.store.fsck import counts
from pratique.store.interface import Search, TextTest
from pratique.store.moves import (
    Accept,
    AcceptSetback,
    Acknowledged,
    Adopt,
    Confirm,
    Declare,
    DelayExit,
    DotSent,
    DropQuarantine,
    EndDoubt,
    Forget,
    FoundOld,
    HelloFrom,
    Intend,
    JournalAcked,
    JournalIn,
    Judge,
    LetGo,
    MoveHold,
    MoveRefused,
    Outcome,
    PutPeer,
    PutQuarantine,
    Reconcile,
    Retarget,
    SendCopy,
    Settle,
    TakeBack,
    TransfersAnswered,
    TransferStuck,
)
from pratique.store.recovery import ShownRow
from tests.conformance.conftest import MemoryHarness, SqliteHarness
from tests.conformance.samples import (
    GATEWAY,
    MANAGER,
    NONCE,
    NOW,
    OTHER_GATEWAY,
    OTHER_SEAL,
    SEAL,
    Samples,
    cid_of,
    delivery,
    entry,
    hold,
    nowhere,
    peer,
    quarantine,
)
from tests.conformance.snapshot import snapshot

COPIES_MAX = 8  # few, so that moves meet the same copy again
HOPS = st.integers(1, 5)
PICK = st.integers(0, COPIES_MAX - 1)
NAMES = st.sampled_from(["Policy", "Virus", "Legal"])
SERIALS = st.sampled_from([GATEWAY, OTHER_GATEWAY, MANAGER])
ANSWERERS = st.sampled_from(["", GATEWAY, OTHER_GATEWAY, MANAGER])
NONCES = st.sampled_from([NONCE, "a0" * 16, "b1" * 16])
SEALS = st.sampled_from([SEAL, OTHER_SEAL])


class Twins(RuleBasedStateMachine):
    """One loop, two stores, one list of what was made. A rule builds a move for each store from the same draw."""

    @initialize(role=st.sampled_from(["gateway", "manager"]))
    def start(self, role: str) -> None:
        self.role = role
        # Memory where there is some: what a sync costs is not the matter here.
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self.broken)
        serial = MANAGER if role == "manager" else GATEWAY
        harnesses = (MemoryHarness(self.directory), SqliteHarness(self.directory))
        self.stores: list[Any] = [self.loop.run_until_complete(one.open(role, serial)) for one in harnesses]
        self.clocks = [one.clock for one in harnesses]
        self.samples = [Samples(store) for store in self.stores]
        self.waiting: list[tuple[Any, Any]] = []  # a burst: moves that will be submitted in one turn
        self.burst_size = 0
        for serial, kind in ((GATEWAY, "gateway"), (OTHER_GATEWAY, "gateway"), (MANAGER, "manager")):
            self.both(lambda samples, s=serial, k=kind: PutPeer(peer(s, k), (entry("enroll"),)))
            self.both(lambda samples, s=serial: HelloFrom(s, NONCE, 1, 0, "", NOW))
        for name in ("Policy", "Virus", "Legal"):
            free = '{"free_space": true}' if name == "Policy" else "{}"
            self.both(lambda samples, n=name, f=free: PutQuarantine(quarantine(n, overflow=f), ()))

    def both(self, build: Any) -> None:
        """Submit to both what `build(samples)` makes, alone or in a burst; their outcomes are equal."""
        ours, theirs = (build(samples) for samples in self.samples)
        self.waiting.append((ours, theirs))
        if len(self.waiting) > self.burst_size:
            self.flush()

    def flush(self) -> None:
        moves, self.waiting, self.burst_size = self.waiting, [], 0
        ours, theirs = (
            self.loop.run_until_complete(self._outcomes(store, [pair[index] for pair in moves]))
            for index, store in enumerate(self.stores)
        )
        for (move, _), one, other in zip(moves, ours, theirs, strict=True):
            assert one == other, move

    def broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A store that fails behind the loop never answers: end the wait for it, and say why."""
        loop.default_exception_handler(context)
        loop.stop()

    async def _outcomes(self, store: Any, moves: list[Any]) -> list[Any]:
        futures = [store.submit(move) for move in moves]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, MoveRefused):
                raise outcome
        return ["refused" if isinstance(outcome, MoveRefused) else plain(outcome) for outcome in outcomes]

    @rule(size=st.integers(1, 6))
    def burst(self, size: int) -> None:
        """The next moves are made on what is known now and submitted together: a batch for the writer."""
        self.burst_size = max(self.burst_size, size)

    @property
    def mids(self) -> list[int]:
        return [mid for mid in sorted(self.samples[0].mids) if self.stores[0].view.copy(mid) is not None]

    def mid(self, pick: int) -> int:
        mids = self.mids
        return mids[pick % len(mids)] if mids else 1

    def cid(self, pick: int) -> str:
        copy = self.stores[0].view.copy(self.mid(pick))
        return cid_of(999) if copy is None else str(copy.cid)

    # --- new copies ----------------------------------------------------------------------------------------------
    @rule(custody=st.sampled_from(["RECEIVED", "ACTIVE", "Q", "X", "HELD", "SETTLED"]), count=st.integers(0, 2))
    def accept(self, custody: str, count: int) -> None:
        if len(self.mids) >= COPIES_MAX:
            return
        deliveries = tuple(delivery(rid) for rid in range(count)) if custody in ("ACTIVE", "RECEIVED") else ()
        holds = tuple(hold(name) for name in ("Policy", "Virus")[: count + 1]) if custody == "HELD" else ()

        def build(samples: Samples) -> Accept:
            copy = samples.copy(custody, deliveries=deliveries, holds=holds)
            return Accept((copy,), (entry("accept", copy.mid),))

        self.both(build)

    @rule(pick=PICK, hop=HOPS, new=st.booleans(), serial=SERIALS, nonce=NONCES, seal=SEALS, seq=st.integers(0, 50))
    def receive(self, pick: int, hop: int, new: bool, serial: str, nonce: str, seal: str, seq: int) -> None:
        if len(self.mids) >= 2 * COPIES_MAX:
            return
        custody = "HELD" if hop % 2 else ("RECEIVED", "ACTIVE", "SETTLED")[seq % 3]

        def build(samples: Samples) -> Any:
            cid = cid_of(500 + len(self.mids)) if new else self.cid(pick)
            copy = samples.copy(custody, cid=cid, hop=hop)
            return samples.receive(copy, seq=seq, peer=serial, nonce=nonce, seal=seal)

        self.both(build)

    @rule(pick=PICK, custody=st.sampled_from(["ACTIVE", "SETTLED", "X"]), child=st.booleans())
    def judge(self, pick: int, custody: str, child: bool) -> None:
        mid = self.mid(pick)
        if self.stores[0].view.copy(mid) is None:
            return

        def build(samples: Samples) -> Judge:
            stored = samples.store.view.copy(mid)
            assert stored is not None
            same = {"mid": mid, "cid": stored.cid, "hop": stored.hop, "sha256": stored.sha256}
            extent = stored.extent or nowhere()
            made = samples.copy(custody, extent=extent, **same)
            children = (samples.copy("Q", extent=extent, sha256=made.sha256),) if child else ()
            if custody == "ACTIVE":
                made = replace(made, deliveries=(delivery(0), delivery(3)))
            elif custody == "X":  # held again, when it came by a hop
                made = replace(made, transfer=samples.transfer(stored.cid, stored.hop + 1))
            return Judge(mid, (made, *children), (entry("judge", mid),))

        self.both(build)

    # --- mail ----------------------------------------------------------------------------------------------------
    @rule(pick=PICK, rids=st.lists(st.integers(0, 2), max_size=2, unique=True))
    def dot(self, pick: int, rids: list[int]) -> None:
        self.both(lambda samples: DotSent(self.mid(pick), tuple(rids)))

    @rule(
        pick=PICK,
        states=st.lists(st.sampled_from(["DELIVERED", "FAILED", "CANCELLED", "DUE"]), max_size=2),
        first=st.integers(0, 2),
    )
    def settle(self, pick: int, states: list[str], first: int) -> None:
        outcomes = tuple(
            Outcome(first + index, state, "reply", next_at=NOW + 5, delayed=index == 1)
            for index, state in enumerate(states)
        )
        self.both(lambda samples: Settle(self.mid(pick), outcomes, (entry("settle"),)))

    @rule(pick=PICK)
    def take_back(self, pick: int) -> None:
        self.both(lambda samples: TakeBack(self.mid(pick), (delivery(5),), (entry("take back"),)))

    @rule(pick=PICK, state=st.sampled_from(["FAILED", "CANCELLED"]), rid=st.integers(0, 1))
    def give_up(self, pick: int, state: str, rid: int) -> None:
        outcomes = (Outcome(rid, state, "given up"),)
        self.both(lambda samples: TakeBack(self.mid(pick), (delivery(0),), (entry("give up"),), outcomes))

    @rule(picks=st.lists(PICK, min_size=1, max_size=2))
    def let_go(self, picks: list[int]) -> None:
        self.both(lambda samples: LetGo(tuple(self.mid(pick) for pick in picks)))

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def forget(self, picks: list[int]) -> None:
        self.both(lambda samples: Forget(tuple(self.mid(pick) for pick in picks), (entry("forget"),)))

    # --- custody -------------------------------------------------------------------------------------------------
    @rule(pick=PICK, hop=HOPS)
    def intend(self, pick: int, hop: int) -> None:
        self.both(lambda samples: Intend(((self.cid(pick), hop),)))

    @rule(pick=PICK, hop=HOPS, event=st.sampled_from(["ACC", "CANC"]), twice=st.booleans(), serial=ANSWERERS)
    def answer(self, pick: int, hop: int, event: str, twice: bool, serial: str) -> None:
        answers = (Acknowledged(self.cid(pick), hop, event, 1, 5, serial),) * (1 + twice)
        self.both(lambda samples: TransfersAnswered(answers, self.role))

    @rule(pick=PICK, hop=HOPS, stuck=st.booleans(), serial=ANSWERERS)
    def stick(self, pick: int, hop: int, stuck: bool, serial: str) -> None:
        self.both(lambda samples: TransferStuck(self.cid(pick), hop, "why", stuck, (entry("stuck"),), serial))

    @rule(pick=PICK, hop=HOPS, more=st.sampled_from([0, 2]), serial=SERIALS, override=st.booleans())
    def retarget(self, pick: int, hop: int, more: int, serial: str, override: bool) -> None:
        def build(samples: Samples) -> Retarget:
            transfer = samples.transfer(self.cid(pick), hop + more, peer=serial)
            return Retarget(self.cid(pick), hop, transfer, (entry("retarget"),), override)

        self.both(build)

    @rule(pick=PICK, hop=HOPS, serial=SERIALS, nonce=NONCES, seal=SEALS, new=st.booleans())
    def cancel(self, pick: int, hop: int, serial: str, nonce: str, seal: str, new: bool) -> None:
        cid = cid_of(700 + pick) if new else self.cid(pick)
        self.both(lambda samples: samples.cancel(cid, hop, peer=serial, nonce=nonce, seal=seal))

    @rule(serial=SERIALS, nonce=NONCES, inc=st.integers(1, 2), seq=st.integers(0, 50))
    def hello(self, serial: str, nonce: str, inc: int, seq: int) -> None:
        self.both(lambda samples: HelloFrom(serial, nonce, inc, seq, f"{seq}:1", NOW))

    @rule(
        serial=SERIALS,
        inc=st.integers(1, 3),
        numbers=st.tuples(*[st.integers(0, 50)] * 3),
        found=st.tuples(st.booleans(), st.booleans()),
        compared=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)),
    )
    def set_back(
        self, serial: str, inc: int, numbers: tuple[int, int, int], found: Any, compared: tuple[int, int] | None
    ) -> None:
        seq, knows_inc, knows_seq = numbers
        knows = (knows_inc % 4, knows_seq * 5)
        self.both(lambda samples: HelloFrom(serial, NONCE, inc, seq, "", NOW, *knows, *found, compared))

    @rule(
        serial=SERIALS,
        inc=st.integers(1, 3),
        seq=st.integers(0, 50),
        old=st.none() | st.tuples(st.integers(1, 2), st.integers(0, 9)),
        upto=st.none() | st.integers(0, 60),
    )
    def recovering_hello(self, serial: str, inc: int, seq: int, old: Any, upto: int | None) -> None:
        told = None if upto is None else (1, 2, upto)
        self.both(lambda samples: HelloFrom(serial, NONCE, inc, seq, "", NOW, old=old, told=told, opened=(1, 2)))

    @rule(inc=st.integers(1, 2), seq=st.integers(0, 20))
    def testify(self, inc: int, seq: int) -> None:
        self.both(lambda samples: Declare(MANAGER, tuple(samples.store.view.testimony(MANAGER, (inc, seq), seq))))

    @rule()
    def reconcile(self) -> None:
        """Every gateway has just testified: rows alone cannot be drawn so that they fit."""
        for serial in (GATEWAY, OTHER_GATEWAY):
            peer_ = self.stores[0].view.peer(serial)
            hello = HelloFrom(serial, peer_.nonce or NONCE, peer_.inc, peer_.seq, "", NOW, told=(1, 2, 0))
            self.both(lambda samples, h=hello: h)
        self.both(lambda samples: Reconcile((entry("reconcile"),)))

    @rule(
        states=st.lists(st.sampled_from(["", "ACC", "DEL", "CANC", "DOUBT", "CLOSED", "REL"]), max_size=4),
        over=st.booleans(),
    )
    def adopt(self, states: list[str], over: bool) -> None:
        asked = self.stores[0].view.to_ask(MANAGER, newer=True)
        shown = tuple(ShownRow(cid, hop, state, 7, over) for (cid, hop), state in zip(asked, states, strict=False))
        self.both(lambda samples: Adopt(MANAGER, shown, (entry("adopt"),)))

    @rule(pick=PICK, send=st.booleans())
    def end_doubt(self, pick: int, send: bool) -> None:
        doubtful = self.stores[0].view.doubtful(9)
        mid = doubtful[pick % len(doubtful)] if doubtful else self.mid(pick)
        copy = self.stores[0].view.copy(mid)
        if copy is None:
            return

        def build(samples: Samples) -> EndDoubt:
            transfer = samples.transfer(copy.cid, copy.hop + 5) if self.role == "manager" else None
            return EndDoubt(mid, send, "carol", transfer, (delivery(7),), "in doubt", (entry("end doubt"),))

        self.both(build)

    @rule(inc=st.integers(1, 3), seq=st.integers(0, 200))
    def found_old(self, inc: int, seq: int) -> None:
        self.both(lambda samples: FoundOld(inc, seq, (entry("set-back"),), (1, 2)))

    @rule(serial=SERIALS)
    def accept_setback(self, serial: str) -> None:
        self.both(lambda samples: AcceptSetback(serial, (entry("accept-setback"),)))

    @rule(
        serial=SERIALS,
        rows=st.lists(st.tuples(st.sampled_from(["FIN", "DEL", "LOC", "ACC", "CANC"]), PICK, HOPS), max_size=3),
        gap=st.booleans(),
    )
    def journal(self, serial: str, rows: list[tuple[str, int, int]], gap: bool) -> None:
        after = self.stores[0].view.peer(serial).journal_in + (3 if gap else 0)
        told = tuple(
            (after + 1 + index, state, self.cid(pick), hop, "-", NOW, '{"R": "delivered"}')
            for index, (state, pick, hop) in enumerate(rows)
        )
        self.both(lambda samples: JournalIn(serial, after, after + len(told), told))

    @rule(serial=SERIALS, number=st.integers(0, 60), gap=st.booleans())
    def acked(self, serial: str, number: int, gap: bool) -> None:
        number = min(number, self.stores[0].committed_seq())  # nobody applies what was never written
        self.both(lambda samples: JournalAcked(serial, number, gap))
        self.both(lambda samples: Confirm(serial, number))

    @rule(serial=SERIALS, numbers=st.lists(st.integers(0, 60), min_size=5, max_size=5), locked=st.booleans())
    def put_peer(self, serial: str, numbers: list[int], locked: bool) -> None:
        inc, seq, journal_in, watermark, confirmed = numbers
        written = peer(
            serial,
            self.stores[0].view.peer(serial).role,
            inc=inc % 3,
            seq=seq,
            journal_in=journal_in,
            journal_out=0,  # only the peer itself says what it applied
            watermark=watermark,
            confirmed=confirmed,
            locked="by hand" if locked else "",
            ssh_host="192.0.2.7" if locked else "",
            ssh_port=seq,
            ssh_host_key=f"ssh-ed25519 {inc}",
            ssh_client_key=f"ssh-ed25519 {seq}",
            label=f"gateway {inc}",
            service_off=locked,
        )
        self.both(lambda samples: PutPeer(written, (entry("peer"),)))

    # --- the hold ------------------------------------------------------------------------------------------------
    @rule(pick=PICK, name=NAMES, mark=st.sampled_from(["RELEASED", "DELETED"]), old=st.booleans(), bare=st.booleans())
    def exit_hold(self, pick: int, name: str, mark: str, old: bool, bare: bool) -> None:
        if self.stores[0].view.copy(self.mid(pick)) is None:
            return

        def build(samples: Samples) -> Any:
            move = samples.exit_hold(self.mid(pick), mark, quarantine=name)
            return replace(move, version=move.version - old, transfer=None if bare else move.transfer)

        self.both(build)

    @rule(pick=PICK, name=NAMES, days=st.integers(0, 3))
    def delay(self, pick: int, name: str, days: int) -> None:
        self.both(lambda samples: DelayExit(self.mid(pick), name, NOW + days, (entry("delay"),)))

    @rule(pick=PICK, source=NAMES, goal=NAMES)
    def move(self, pick: int, source: str, goal: str) -> None:
        self.both(lambda samples: MoveHold(self.mid(pick), source, goal, (entry("move"),)))

    @rule(pick=PICK, name=NAMES, true=st.booleans())
    def send_copy(self, pick: int, name: str, true: bool) -> None:
        held = self.stores[0].view.copy(self.mid(pick))
        if held is None or held.extent is None:
            return

        def build(samples: Samples) -> Any:
            copy = samples.store.view.copy(self.mid(pick))
            assert copy is not None and copy.extent is not None
            child = samples.copy("REL", parent=copy.cid if true else "", hop=copy.hop)
            child = replace(child, extent=copy.extent, sha256=copy.sha256)
            child = replace(child, transfer=samples.transfer(child.cid, child.hop + 1))
            return SendCopy(copy.mid, name, child, (entry("copy"),))

        self.both(build)

    @rule(name=NAMES)
    def drop(self, name: str) -> None:
        self.both(lambda samples: DropQuarantine(name, ()))

    @rule(name=NAMES, free=st.booleans())
    def put_quarantine(self, name: str, free: bool) -> None:
        overflow = '{"free_space": true}' if free else "{}"
        self.both(lambda samples: PutQuarantine(quarantine(name, overflow=overflow), (entry("quarantine"),)))

    @rule(ms=st.integers(1, 1000))
    def tick(self, ms: int) -> None:
        if self.waiting:
            self.flush()
        for clock in self.clocks:
            clock.now += ms

    @rule(
        names=st.lists(NAMES, max_size=3, unique=True),
        how=st.sampled_from(["contains", "does_not_contain", "does_not_match"]),
        order=st.sampled_from(["received", "sender", "subject", "scheduledExit", "size"]),
        descending=st.booleans(),
        limit=st.integers(1, 3),
    )
    def search(self, names: list[str], how: str, order: str, descending: bool, limit: int) -> None:
        query = Search(tuple(names), subject=TextTest(how, "offer"), order_by=order, descending=descending, limit=limit)
        found = [store.view.search(query) for store in self.stores]
        assert found[0].total == found[1].total
        assert [copy.mid for copy, _ in found[0].copies] == [copy.mid for copy, _ in found[1].copies]

    @invariant()
    def views_agree(self) -> None:
        if not hasattr(self, "stores"):
            return
        ours, theirs = (
            snapshot(store, samples, extents=False) for store, samples in zip(self.stores, self.samples, strict=True)
        )
        assert self.stores[0].committed_seq() == self.stores[1].committed_seq()
        assert self.stores[0].identity.inc == self.stores[1].identity.inc
        for part in ours:
            assert ours[part] == theirs[part], part

    def teardown(self) -> None:
        if not hasattr(self, "stores"):
            return
        if self.waiting:
            self.flush()
        for store in self.stores:
            assert broken_at(store.view.audit(0, 10_000)) is None
            self.loop.run_until_complete(store.close())
        with closing(sqlite3.connect(self.directory / "store" / "store.db")) as db:
            assert list(counts.check(db)) == []
        self.loop.close()
        shutil.rmtree(self.directory)


def plain(result: Any) -> Any:
    """A result without places in the spool, which the two choose for themselves."""
    if isinstance(result, tuple | list):
        return [("extent", getattr(one, "length", one)) for one in result]
    return replace(result, dropped=tuple(result.dropped)) if hasattr(result, "dropped") else result


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
