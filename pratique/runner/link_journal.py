"""Our journal on its way to a peer, over one session of a link: in order, and the next rows when it is durable how far
the peer is.
"""

from collections.abc import Callable

from pratique.runner.cpq_parts import wire_row
from pratique.runner.link_parts import LinkOwner
from pratique.store.moves import JournalAcked
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Keyword, Row, Verdict

JOURNAL_ROWS = 500

Send = Callable[[int, tuple[Row, ...], int], None]  # after, rows, last


class JournalPush:
    """`pushed` is called when more may follow, to send what `send` has written."""

    def __init__(
        self, link: LinkOwner, peer: Peer, *, send: Send, pushed: Callable[[], None], alarm: Callable[[str], None]
    ) -> None:
        self._link = link
        self._peer = peer
        self._send = send
        self._pushed = pushed
        self._alarm = alarm
        self._out = False  # rows are on their way, or nothing more is pushed on this session
        self._after = 0
        self._until = 0  # recovery: the number that the peer must have applied
        self._done: Callable[[], None] | None = None

    @property
    def wanted(self) -> bool:
        """Somebody waits for the peer to reach a number."""
        return self._done is not None

    def until(self, number: int, done: Callable[[], None]) -> None:
        """`done` is called once, by push(), when the peer has applied our journal up to `number`."""
        self._until, self._done = number, done

    def push(self) -> None:
        if self._out:
            return
        store, peer = self._link.services.store, self._link.peer() or self._peer
        committed = store.committed_seq()  # before the rows: a number up to it that has none will never have one
        rows = store.view.journal(peer.serial, peer.journal_out, JOURNAL_ROWS)
        upto = min(self._until, committed)
        if not rows and peer.journal_out >= upto:
            done, self._done = self._done, None
            if done is not None:
                done()
            return
        self._out = True
        self._after = peer.journal_out
        last = rows[-1].seq if len(rows) == JOURNAL_ROWS else max(upto, rows[-1].seq if rows else 0)
        self._send(self._after, tuple(map(wire_row, rows)), last)

    def answered(self, verdict: Verdict) -> None:
        """The next rows go out when it is durable how far the peer is."""
        if verdict.keyword not in (Keyword.JACK, Keyword.GAP) or not verdict.words:
            self._out = False
            return
        services, applied = self._link.services, int(verdict.words[0])
        lost = verdict.keyword is Keyword.GAP and applied <= self._after
        if lost and applied == self._after:
            self._alarm(f"it says that it lacks our journal above {applied}, and does not take it from there")
            return  # nothing more is pushed on this session
        if lost:
            text = f"{self._peer.name} lacks our journal above {applied}: sent again from there"
            services.telemetry.emit(log.Note(message=text))
        move = JournalAcked(self._peer.serial, applied, gap=lost)
        services.store.submit(move).add_done_callback(lambda future: self._more(future.exception()))

    def _more(self, error: BaseException | None) -> None:
        self._out = False
        if error is None:
            self._pushed()
