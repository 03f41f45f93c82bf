"""Our journal on its way to a peer, over one session of a link: in order, and the next rows when it is durable how far
the peer is.
"""

import json
from collections.abc import Callable

from pratique.runner.link_parts import LinkOwner
from pratique.store.moves import JournalAcked
from pratique.store.records import JournalRow, Peer
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

    def push(self) -> None:
        if self._out:
            return
        peer = self._link.peer() or self._peer
        rows = self._link.services.store.view.journal(peer.serial, peer.journal_out, JOURNAL_ROWS)
        if not rows:
            return
        self._out = True
        self._after = peer.journal_out
        self._send(self._after, tuple(map(_wire_row, rows)), rows[-1].seq)

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


def _wire_row(row: JournalRow) -> Row:
    pairs = tuple((k, v) for k, v in json.loads(row.pairs).items())
    return Row(row.seq, row.state, f"{row.cid}.{row.hop}", row.seal, row.at, pairs)
