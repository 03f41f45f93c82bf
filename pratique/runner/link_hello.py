"""The hello of one session of a link: what we say, what we remembered when we said it, and what the reply shows.

What is found is durable with the hello (store.moves.HelloFrom); what it means is in runner/hello.py.
"""

from pratique.runner.hello import Memory, compare, held_as, hello_of, set_back_text
from pratique.runner.link_parts import LinkOwner
from pratique.store.interface import Submitted
from pratique.store.moves import HelloFrom
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Hello, HelloReply, Keyword


class LinkHello:
    def __init__(self, link: LinkOwner, peer: Peer) -> None:
        self._link = link
        self._peer = peer
        self._memory = Memory(0, 0)  # what was remembered of the peer when the hello was written
        self._own_inc = 0  # and our own incarnation then

    def written(self) -> Hello:
        """The hello to send now."""
        services, settings = self._link.services, self._link.settings
        store, peer = services.store, self._link.peer() or self._peer
        self._memory, self._own_inc = Memory(peer.inc, peer.seq), store.identity.inc
        endpoint = settings.announce or f"{settings.address}:{settings.port}"
        return hello_of(services.store, peer, services.clock.now_ms(), endpoint=endpoint)

    def set_back(self, reply: HelloReply) -> bool:
        """Remember the hello, and whether it showed a set-back on either side. True while one waits to be accepted."""
        me, known, said = self._me(), self._link.peer() or self._peer, reply.me
        found = compare(me=me, peer_before=self._memory, hello=said)
        here = found.here or reply.keyword is Keyword.ROLLED
        there = found.there or reply.keyword is Keyword.RECON
        move = HelloFrom(
            serial=said.serial,
            nonce=said.nonce,
            inc=said.inc,
            seq=said.seq,
            endpoint=said.endpoint,
            at=self._link.services.clock.now_ms(),
            knows_inc=said.peer_inc,
            knows_seq=said.peer_seq,
            set_back_here=here,
            set_back_there=there,
            compared=(self._own_inc, self._memory.inc),
        )
        still = known.set_back_here or (known.set_back_there and said.inc <= known.inc)
        held = here or there or still
        submitted = self._link.services.store.submit(move)
        submitted.add_done_callback(lambda future: self._remembered(future, said, me, held))
        if held:
            self._link.health.last_error = "a set-back waits for an administrator: `pratique enroll --accept-setback`"
        return held

    def _remembered(self, future: Submitted, said: Hello, me: Memory, held: bool) -> None:
        if future.exception() is not None:
            return  # the store is failing: the next hello finds the same
        before, peer = future.result().before, self._link.peer()
        if peer is None:
            return
        if held and not peer.set_back:  # it was accepted while this hello was under way: the next one tells
            self._link.hello_again()
            return
        if (before.set_back_here, before.set_back_there) == (peer.set_back_here, peer.set_back_there):
            return
        if held_as(peer) is not None:
            self._link.services.telemetry.emit(log.Alarm(message=set_back_text(peer, said, me)))
            self._link.set_back(peer, said.seq)

    def _me(self) -> Memory:
        store = self._link.services.store
        return Memory(store.identity.inc, store.committed_seq())
