"""What the verbs of the queues ask of a running gateway or manager. Adapters, like acts.py: no rule is made here."""

import asyncio
from dataclasses import dataclass

from pratique.delivery.routes import CPQ_HOST, RELEASE_HOST
from pratique.gateway.app import Gateway
from pratique.gateway.giving_up import OwnCopies
from pratique.manager.app import Manager
from pratique.manager.giving_up import why_kept
from pratique.runner.giving_up import Ended, Order, end_waiting, picking
from pratique.runner.suspension import Suspension

POLL_SECONDS = 0.1  # how often is looked whether what was suspended has ended


@dataclass(frozen=True, slots=True)
class GatewayQueues:
    gateway: Gateway

    def wake(self, host: str) -> int:
        told = 0
        if host in ("", CPQ_HOST) and self.gateway.link is not None:
            self.gateway.link.hello_again()
            told += 1
        if host != CPQ_HOST:
            told += self.gateway.deliverer.retry_now(host)
        return told

    async def end_waiting(self, host: str, mids: frozenset[int] | None, actor: str, *, bounced: bool) -> Ended:
        order = Order(picking(host, mids), actor, bounced, self._own().kept)
        return await end_waiting(self.gateway.deliverer, order)

    def redirect(self, host: str, mids: frozenset[int] | None, to: str) -> int:
        return self.gateway.deliverer.redirect(picking(host, mids), to)

    async def end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        work = self._end_own(mid, actor, bounced=bounced)
        tasks = self.gateway.services.tasks
        return await asyncio.shield(tasks.spawn(work, f"end of MID {mid} by {actor}"))  # whoever asked may leave

    async def _end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        link = self.gateway.link
        why, notice = await self._own().end(
            mid, actor, bounced=bounced, health=link.health if link is not None else None
        )
        if notice is not None:
            self.gateway.deliverer.offer(notice)
        if not why and link is not None:
            link.journal_changed()  # it may have come back from the manager, which hears of its end
        return why

    def listeners(self) -> tuple[str, ...]:
        return self.gateway.listeners()

    def apply(self, now: Suspension) -> None:
        self.gateway.suspend(now)

    async def quiet(self, seconds: float, *, receiving: bool) -> None:
        await _quiet(self.gateway, seconds, receiving=receiving)

    def _own(self) -> OwnCopies:
        return OwnCopies(self.gateway.services, self.gateway.bouncer, self.gateway.parts.delivery.bounce)


@dataclass(frozen=True, slots=True)
class ManagerQueues:
    manager: Manager

    def wake(self, host: str) -> int:
        if host not in ("", RELEASE_HOST):
            return 0
        for link in self.manager.links.values():
            link.hello_again()
        return len(self.manager.links)

    async def end_waiting(self, host: str, mids: frozenset[int] | None, actor: str, *, bounced: bool) -> Ended:
        return Ended()  # a manager delivers nothing itself

    def redirect(self, host: str, mids: frozenset[int] | None, to: str) -> int:
        return 0

    async def end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        return why_kept(self.manager.services.store.view, mid)

    def listeners(self) -> tuple[str, ...]:
        return self.manager.listeners()

    def apply(self, now: Suspension) -> None:
        self.manager.suspend(now)

    async def quiet(self, seconds: float, *, receiving: bool) -> None:
        await _quiet(self.manager, seconds, receiving=receiving)


async def _quiet(role: Gateway | Manager, seconds: float, *, receiving: bool) -> None:
    clock = role.services.clock
    deadline = clock.monotonic() + seconds
    while role.receiving_under_way() if receiving else role.delivering():
        if clock.monotonic() >= deadline:
            role.end_suspended() if receiving else role.break_off()
            return
        await asyncio.sleep(POLL_SECONDS)
