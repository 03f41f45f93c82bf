"""Scheduled exits: what stays too long leaves by its default action, and so does the oldest when the pool is full.

Timers act as `policy:retention@1`. They act only while the clock can be trusted: a wall clock that jumped by more than
five minutes since the start stops them until an administrator has looked and restarted (I13).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pratique.manager.overflow import OVERFLOW_POLICY, Pool
from pratique.manager.release import Actor, Decided
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.services import Services
from pratique.store.interface import View
from pratique.store.moves import StoreFailed
from pratique.store.records import Hold
from pratique.telemetry import events as log

BATCH = 200
LEFT_MAX = 10_000  # undecided holds that one round looks behind: each page reads them again
JUMP_MS_MAX = 300_000
TIMER = Actor("policy:retention@1", "timer", "timer")
OVERFLOW = Actor(OVERFLOW_POLICY, "timer", "timer")


Decide = Callable[[int, str, Mark, Cause, Actor], Awaitable[Decided]]


class Expirer:
    """`decide` is the role's: the same act as a reviewer's."""

    def __init__(
        self,
        services: Services,
        decide: Decide,
        *,
        every_seconds: int,
        pool: Pool,
        wrong_clocks: Callable[[], set[str]] = set,
    ) -> None:
        self._services = services
        self._decide = decide
        self._every = every_seconds
        self._pool = pool
        self._overfull = asyncio.Event()
        self._offset = self._clock_offset()
        self._jumped = False
        self._wrong_clocks = wrong_clocks

    def _clock_offset(self) -> int:
        clock = self._services.clock
        return clock.now_ms() - int(clock.monotonic() * 1000)

    async def run(self) -> None:
        self._pool.refresh(self._services.store.view)
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._overfull.wait()
            except TimeoutError:
                await self.sweep()
            else:
                self._overfull.clear()
                await self._make_room()

    def make_room_soon(self) -> None:
        """More is held than the pool allows, or a quarantine is exempt no more: do not wait for the next round."""
        self._overfull.set()

    def clock_trusted(self) -> bool:
        jump = abs(self._clock_offset() - self._offset)
        if jump > JUMP_MS_MAX and not self._jumped:
            self._jumped = True
            self._services.telemetry.emit(
                log.Alarm(
                    message=f"the clock jumped by {jump // 1000} s: scheduled exits are suspended; "
                    "set the clock, then restart the manager",
                    condition=log.Condition.CLOCK,
                )
            )
        return not self._jumped

    async def sweep(self) -> int:
        """One round; returns how many marks were given."""
        if not self.clock_trusted() or self._wrong_clocks():
            return 0
        now = self._services.clock.now_ms()
        left = _Left()

        def page(view: View) -> tuple[Hold, ...]:
            return left.fresh(view.expired_holds(now, left.wanted))

        done = 0
        while holds := await self._services.store.read(page):
            done += await self._exit_all(holds, Cause.EXPIRED, TIMER, left)
        return done + await self._make_room()

    async def _make_room(self) -> int:
        """First in, first out, until the pool is below its limit (docs/operate/quarantine.md)."""
        done, view, left = 0, self._services.store.view, _Left()

        def page(view: View) -> tuple[Hold, ...]:
            return left.fresh(view.oldest_holds(left.wanted))

        while (over := self._pool.refresh(view)) > 0:
            holds = await self._services.store.read(page)
            if not holds:
                if not left.ended:
                    self._no_room()
                break
            done += await self._exit_all(_enough(view, holds, over), Cause.QUEUE_FULL, OVERFLOW, left)
        return done

    def _no_room(self) -> None:
        """The port answers "full", and mail waits at the gateways."""
        if not self._pool.stuck:
            self._pool.stuck = True
            self._services.telemetry.emit(
                log.Alarm(
                    message="the quarantines are full and nothing in them may leave early: no more is taken, mail "
                    "waits at the gateways. Release or delete messages, let a quarantine free space, or raise "
                    "manager.pool_bytes",
                    condition=log.Condition.POOL_FULL,
                )
            )

    async def _exit_all(self, holds: tuple[Hold, ...], cause: Cause, actor: Actor, left: "_Left") -> int:
        """How many were decided; those that were not are in `left` from then on."""
        given = 0
        for hold in holds:
            mark = Mark.RELEASED if hold.default_action == "release" else Mark.DELETED
            try:
                decided = await self._decide(hold.mid, hold.quarantine, mark, cause, actor)
            except StoreFailed as error:
                if error.fatal:
                    raise
                self._services.telemetry.emit(log.Fault(error=f"scheduled exits: {error}; tried again later"))
                left.ended = True
                return given
            given += decided.done
            if not decided.done:
                left.add(hold)
        return given


class _Left:
    """Holds of one round that nothing was decided about: corrupt, or changed by somebody else meanwhile. They come
    first in each page, and must not keep those behind them from leaving."""

    def __init__(self) -> None:
        self._keys: set[tuple[int, str]] = set()
        self.ended = False  # the store refused: no more in this round

    @property
    def wanted(self) -> int:
        """How long a page must be to have BATCH others."""
        return len(self._keys) + BATCH

    def add(self, hold: Hold) -> None:
        self._keys.add((hold.mid, hold.quarantine))

    def fresh(self, holds: Sequence[Hold]) -> tuple[Hold, ...]:
        """Those that were not tried yet; none when the round is over."""
        if self.ended or len(self._keys) >= LEFT_MAX:
            return ()
        return tuple(hold for hold in holds if (hold.mid, hold.quarantine) not in self._keys)


def _enough(view: View, holds: tuple[Hold, ...], over: int) -> tuple[Hold, ...]:
    """The first of them that together hold `over` octets."""
    for count, hold in enumerate(holds, 1):
        copy = view.copy(hold.mid)
        over -= copy.size if copy is not None else 0
        if over <= 0:
            return holds[:count]
    return holds
