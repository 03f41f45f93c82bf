"""The receiving side of the quarantine port: sessions, hello, verdicts. Both roles take transfers the same way; what
is made of one is the role's business (`Taker`).

Nothing is answered before it is durable: a verdict follows the commit of its move.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from pratique.net.pump import Pump
from pratique.runner.cpq_parts import Live, Taker, Trusts
from pratique.runner.cpq_session import CpqSession
from pratique.runner.hello import hello_of
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.store.records import Peer
from pratique.transfer.messages import (
    V_CLOSING,
    V_FENCED,
    Hello,
    HelloReply,
    Keyword,
    Limits,
)
from pratique.transfer.server import ServerConnection

WATERMARK = "watermark"  # setting: the highest number of ours that a backup holds


class CpqService:
    """All sessions of one quarantine port."""

    def __init__(
        self,
        services: Services,
        *,
        settings: CpqSettings,
        trust: Trusts,
        taker: Taker,
        limits: Limits,
        set_back: Callable[[Peer, int], None] = lambda peer, number: None,
        recover: Callable[[Peer], None] = lambda peer: None,
    ) -> None:
        self.services = services
        self.settings = settings
        self.trust = trust
        self.taker = taker
        self.limits = limits
        self.sessions: set[Live] = set()
        self.strangers: Counter[str] = Counter()
        self.closing = False
        self.server: asyncio.Server | None = None  # who binds the port puts it here
        self._set_back = set_back
        self._recover = recover

    def recover(self, peer: Peer) -> None:
        self._recover(peer)

    @property
    def listening(self) -> bool:
        return self.server is not None and self.server.is_serving() and not self.closing

    def set_back(self, peer: Peer, number: int) -> None:
        self._set_back(peer, number)

    def new_session(self) -> Pump:
        machine = ServerConnection(hostname=self.services.name, limits=self.limits, side=self.taker.side)
        return Pump(machine, CpqSession(self, machine), serves=True)

    def fence(self, serial: str, nonce: str, *, but: Live) -> None:
        """A newer instance said hello: sessions of older ones end."""
        for session in list(self.sessions):
            if session is not but and session.serial == serial and session.nonce not in ("", nonce):
                session.end(V_FENCED)

    def drop_peer(self, serial: str) -> None:
        """An enrolment was withdrawn or locked: its live sessions end at once."""
        for session in list(self.sessions):
            if session.serial == serial:
                session.end(V_CLOSING)

    def drop_all(self) -> None:
        """Our incarnation is another: sessions are bound to the one of their hello."""
        for session in list(self.sessions):
            session.end(V_CLOSING)

    def close(self) -> None:
        self.closing = True
        self.drop_all()

    def hello_reply(self, keyword: Keyword, peer: Peer, *, why: str = "") -> HelloReply:
        store = self.services.store
        free = store.spool.free_bytes()
        level = "FULL" if free <= 0 else "LOW" if free < 10 * self.limits.message_bytes else "OK"
        return HelloReply(
            keyword=keyword,
            me=self.my_hello(peer),
            limits=self.limits,
            why=why,
            free_bytes=max(0, free),
            level=level,
            suspended_quarantines=self.taker.suspended_quarantines(),
            watermark=int(store.view.setting(WATERMARK, "0")),
            journal_in=peer.journal_in,
            journal_out=peer.journal_out,
            audit_head=store.audit_head() or "-",
        )

    def my_hello(self, peer: Peer) -> Hello:
        known = self.trust.told(peer.serial)
        return hello_of(self.services.store, peer, self.services.clock.now_ms(), certificates=known)
