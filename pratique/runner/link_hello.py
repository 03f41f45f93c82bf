"""The hello of one session of a link: what we say, what we remembered when we said it, and what the reply shows.

What is found is durable with the hello (store.moves.HelloFrom); what it means is in runner/hello.py.
"""

from typing import Protocol

from pratique.runner.hello import RECON, Compared, Memory, compare, held_as, hello_of, set_back_text, taken_from
from pratique.runner.link_parts import LinkOwner
from pratique.store.interface import Submitted
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Hello, HelloReply, Keyword

SET_BACK_PAUSE = 10.0  # while one of the two recovers


class HelloSession(Protocol):
    """What of a link's session is used."""

    def rest(self, seconds: float) -> None: ...
    def work(self) -> None: ...
    def recover(self, peer: Peer, reply: HelloReply) -> bool: ...


class LinkHello:
    def __init__(self, link: LinkOwner, peer: Peer, session: HelloSession) -> None:
        self._link = link
        self._peer = peer
        self._session = session
        self._memory = Memory(0, 0)  # what was remembered of the peer when the hello was written
        self._own_inc = 0  # and our own incarnation then

    def written(self) -> Hello:
        """The hello to send now."""
        services, settings = self._link.services, self._link.settings
        store, peer = services.store, self._link.peer() or self._peer
        self._memory, self._own_inc = Memory(peer.inc, peer.seq), store.identity.inc
        endpoint = settings.announce or f"{settings.address}:{settings.port}"
        told = self._link.testimony(peer)
        known = self._link.trust.told(peer.serial)
        return hello_of(store, peer, services.clock.now_ms(), endpoint=endpoint, told=told, certificates=known)

    def set_back(self, reply: HelloReply) -> bool:
        """Remember the hello, and whether it showed a set-back on either side. True while one has not recovered."""
        me, known, said = self._me(), self._link.peer() or self._peer, reply.me
        store = self._link.services.store
        found = compare(me=me, peer_before=self._memory, hello=said)
        here = found.here or said.rolled or reply.keyword is Keyword.ROLLED
        there = found.there or reply.keyword is Keyword.RECON
        move = taken_from(
            said,
            Compared(here, there),
            compared=(self._own_inc, self._memory.inc),
            opened=store.identity.opened,
            at=self._link.services.clock.now_ms(),
            watermark=reply.watermark,
        )
        still = known.set_back_here or (known.set_back_there and said.inc <= known.inc)
        held = here or there or still
        store.submit(move).add_done_callback(lambda future: self._remembered(future, reply, me, held=held))
        if held:
            self._link.health.last_error = "one of the two was set back and is recovering: `pratique doctor`"
        return held

    def _remembered(self, future: Submitted, reply: HelloReply, me: Memory, *, held: bool) -> None:
        """Durable is what the hello showed. While somebody is set back the session serves his recovery alone."""
        said, peer = reply.me, self._link.peer()
        if future.exception() is not None or peer is None:
            self._session.rest(SET_BACK_PAUSE)  # the store is failing: the next hello finds the same
            return
        before = future.result().before
        if before.set_back_there and not peer.set_back_there:
            self._link.forget_queue()  # what it lost is in doubt again
            self._session.work()
        can = held and peer.set_back and RECON in said.capabilities
        if held and not (can and self._session.recover(peer, reply)):
            self._session.rest(SET_BACK_PAUSE)
        if held and not peer.set_back:  # it was accepted while this hello was under way: the next one tells
            self._link.hello_again()
            return
        if (before.set_back_here, before.set_back_there) == (peer.set_back_here, peer.set_back_there):
            return
        if held_as(peer) is not None:
            self._link.services.telemetry.emit(
                log.Alarm(message=set_back_text(peer, said, me), condition=log.Condition.SET_BACK, subject=peer.serial)
            )
            self._link.set_back(peer, said.seq)

    def _me(self) -> Memory:
        store = self._link.services.store
        return Memory(store.identity.inc, store.committed_seq())
