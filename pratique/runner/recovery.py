"""A gateway's part in the way back after a set-back (docs/cpq.md §6): it testifies to a manager that was set back, and
adopts what the manager shows when it was set back itself.

Both go over the link's session while the hello is answered XQRECON or XQROLLED. A step that is cut off begins anew with
the next session; nothing is left half done, because each side decides in one commit.
"""

from collections.abc import Callable
from typing import Protocol

from pratique.mail.ids import parse_xid
from pratique.runner.services import Services, audit
from pratique.store.interface import Submitted
from pratique.store.moves import Adopt, Declare, JournalAcked, MoveRefused, Recovered, StoreFailed
from pratique.store.records import Peer
from pratique.store.recovery import ShownRow
from pratique.telemetry import events as log
from pratique.transfer.messages import HelloReply, Keyword, Verdict
from pratique.transfer.replies import row_shown

REST_SECONDS = 10.0  # between two hellos while the other side has not got all it waits for


class Questions:
    """XQSHOW of many transfers; `done` is called once, when all are answered."""

    def __init__(self, count: int, done: Callable[[list[ShownRow]], None]) -> None:
        self._left = count
        self._rows: list[ShownRow] = []
        self._done = done
        if not count:
            done([])

    def answered(self, xid: str, verdict: Verdict) -> bool:
        """False when it was not shown."""
        if verdict.keyword is not Keyword.SHOWN:
            return False
        row, (cid, hop) = row_shown(xid, verdict), parse_xid(xid)
        over = row is not None and dict(row.pairs).get("FIN") == "local"
        state, seq = ("", 0) if row is None else (row.state, row.seq)
        self._rows.append(ShownRow(cid, hop, state, seq, over))
        self._left -= 1
        if not self._left:
            self._done(self._rows)
        return True


class RecoverySession(Protocol):
    """What of a link's session is used."""

    def push_until(self, number: int, done: Callable[[], None]) -> None: ...
    def ask(self, hops: tuple[tuple[str, int], ...], done: Callable[[list[ShownRow]], None]) -> None: ...
    def rest(self, seconds: float) -> None: ...


class GatewayRecovery:
    """`recovered` is called when this gateway has adopted: its incarnation is a new one."""

    def __init__(self, services: Services, serial: str, recovered: Callable[[Recovered], None]) -> None:
        self._services = services
        self._serial = serial
        self._recovered = recovered
        self._told: tuple[int, int, int] | None = None
        self._told_to = ""  # the instance that has heard it

    def testimony(self, peer: Peer) -> tuple[int, int, int] | None:
        """What our hello says of it: to which state of the manager, and up to which of our rows."""
        if self._told is None or not peer.set_back_there or self._told[:2] != (peer.lost_inc, peer.lost_seq):
            return None
        return self._told if peer.journal_out >= self._told[2] else None

    def step(self, session: RecoverySession, peer: Peer, reply: HelloReply) -> bool:
        """Begin what is to be done on this session; false when there is nothing."""
        if reply.keyword is Keyword.RECON:
            if self.testimony(peer) is not None and self._told_to == reply.me.nonce:
                session.rest(REST_SECONDS)
            else:
                self._spawn(self._testify(session, peer, reply), "testimony")
            return True
        if peer.set_back_here and reply.keyword is Keyword.ROLLED:
            self._spawn(self._ask(session, peer), "adoption")
            return True
        return False

    def _spawn(self, work: object, what: str) -> None:
        self._services.tasks.spawn(work, what)  # type: ignore[arg-type]

    async def _testify(self, session: RecoverySession, peer: Peer, reply: HelloReply) -> None:
        store, lost = self._services.store, (peer.lost_inc, peer.lost_seq)
        applied = reply.journal_in
        rows = await store.read(lambda view: tuple(view.testimony(self._serial, lost, applied)))
        try:
            if peer.journal_out > applied:  # it has lost rows that it had applied: they are due again
                await store.submit(JournalAcked(self._serial, applied, gap=True))
            upto: int = await store.submit(Declare(self._serial, rows))
        except StoreFailed:
            session.rest(REST_SECONDS)
            return

        def heard() -> None:
            self._told, self._told_to = (*lost, upto), reply.me.nonce
            self._note(f"{peer.name} was set back and has heard what this gateway knows: {len(rows)} statements")
            session.rest(0.0)

        session.push_until(upto, heard)

    async def _ask(self, session: RecoverySession, peer: Peer) -> None:
        newer = peer.newer
        hops = await self._services.store.read(lambda view: tuple(view.to_ask(self._serial, newer=newer)))

        def shown(rows: list[ShownRow]) -> None:
            entry = audit(f"peer:{self._serial}", "adopt")
            move = Adopt(self._serial, tuple(rows), (entry,))
            self._services.store.submit(move).add_done_callback(lambda future: self._adopted(session, peer, future))

        session.ask(hops, shown)

    def _adopted(self, session: RecoverySession, peer: Peer, future: Submitted) -> None:
        error = future.exception()
        if error is not None:
            if not isinstance(error, (MoveRefused, StoreFailed)):
                raise error
            self._services.telemetry.emit(
                log.Fault(condition=log.Condition.STORE, error=f"store: {error}; asked again")
            )
            session.rest(REST_SECONDS)
            return
        recovered: Recovered = future.result()
        self._services.telemetry.emit(log.Note(message=f"adopted what {peer.name} knows: {recovered_text(recovered)}"))
        alarm = doubt_alarm(recovered)
        if alarm is not None:
            self._services.telemetry.emit(alarm)
        session.rest(0.0)
        self._recovered(recovered)

    def _note(self, text: str) -> None:
        self._services.telemetry.emit(log.Note(message=text))


NAMED_MAX = 200  # MIDs in one alarm


def recovered_text(recovered: Recovered) -> str:
    counts = ", ".join(f"{len(mids)} {state}" for state, mids in recovered.changed) or "nothing had to change"
    return f"{counts}; our incarnation is now {recovered.inc}, our numbers go on above {recovered.seq}"


def doubt_alarm(recovered: Recovered) -> log.Event | None:
    mids = dict(recovered.changed).get("DOUBT", ())
    if not mids:
        return None
    named = ", ".join(map(str, mids[:NAMED_MAX])) + (" and more" if len(mids) > NAMED_MAX else "")
    return log.Alarm(
        message="nobody can know whether these were delivered; a person decides, on record, with "
        f"`pratique resolve DIR MID --deliver` or `--done`: MID {named}",
        condition=log.Condition.DOUBT,
    )
