"""What a session of a link works with: its link as it sees it, and the units that it has sent."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pratique.delivery.custody import Event
from pratique.delivery.settings import RetrySettings
from pratique.runner.cpq_parts import Trusts
from pratique.runner.link_items import Health, Item
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import HelloReply, Verdict


class LinkOwner(Protocol):
    """What a session needs of its link."""

    services: Services
    destination: str
    settings: CpqSettings
    trust: Trusts
    health: Health
    retry: RetrySettings

    def peer(self) -> Peer | None: ...
    def next_item(self) -> Item | None: ...
    def take_back(self, items: list[Item]) -> None: ...
    def pieces(self, item: Item) -> Iterator[bytes]: ...
    def answered(
        self, answers: list[tuple[Item, Event, int, int]], dcid: int, done: Callable[[bool], None]
    ) -> None: ...
    def said_hello(self, *, ready: bool, held: bool = False) -> None: ...
    def set_back(self, peer: Peer, number: int) -> None: ...
    def recover(self, session: Any, peer: Peer, reply: HelloReply) -> bool: ...
    def testimony(self, peer: Peer) -> tuple[int, int, int] | None: ...
    def hello_again(self) -> None: ...
    def confirmable(self) -> int: ...
    def forget_queue(self) -> None: ...


class Unit:
    """What a unit's token says: an item's group, its cancel, or a journal push."""

    __slots__ = ("item", "kind")

    def __init__(self, kind: str, item: Item | None = None) -> None:
        self.kind = kind
        self.item = item


def delayed(item: Item, verdict: Verdict, *, dcid: int, rid: int) -> log.Event:
    """The line about a transfer that was not taken; it is kept, whatever the reply."""
    return log.Undelivered(
        what="Delayed",
        dcid=dcid,
        mid=item.mid,
        rid=rid,
        enhanced=verdict.enhanced,
        phrase="Quarantine did not take the message",
        code=str(verdict.code),
        reply=" ".join((verdict.keyword, *verdict.words)),
        cid=item.cid,
    )
