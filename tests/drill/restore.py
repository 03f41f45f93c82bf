"""The restore drill: a manager put back from a backup, a gateway rolled back, at random points; then the books.

    python -m tests.drill.restore [--points N] [--seed S]

Two real appliances in one process, over loopback and TLS, with a next hop that keeps what it gets. For each point: a
backup is taken while both run, mail goes on (sent, released, deleted), one appliance stops wherever it is, is replaced
by its backup (`pratique restore`), starts, and recovers. At the end everything that is held is released, everything in
doubt is delivered by a named person. Lost: answered 250, and neither delivered nor deleted. An unrecorded duplicate:
delivered more than once without X-Possible-Duplicate on all copies but one. Mail that only a rolled-back gateway had
died with its disk; it is counted for itself. One JSON line; exit status 0 when nothing is lost or doubled unseen.
"""

import asyncio
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pratique.front.backup import back_up, restore
from pratique.manager.app import Manager
from pratique.quarantine.lifecycle import Cause, Mark
from tests.front.pair import CAROL, Pair, Place, pair, until

RECOVER_SECONDS = 120.0
SETTLE_SECONDS = 120.0
MARK = re.compile(rb"^X-Possible-Duplicate: yes\r?$", re.MULTILINE)
SUBJECT = re.compile(rb"^Subject: (.*?)\r?$", re.MULTILINE)


class Drill:
    def __init__(self, both: Pair, base: Path, seed: int) -> None:
        self.both = both
        self.base = base
        self.chance = random.Random(seed)
        self.sent: list[str] = []
        self.deleted: set[str] = set()
        self.died: set[str] = set()  # with the disk of a gateway
        self.doubted = 0
        self.points: Counter[str] = Counter()

    # --- mail
    async def traffic(self) -> None:
        """Some messages, some decisions; nothing is waited for."""
        for _ in range(self.chance.randint(1, 3)):
            subject = f"m{len(self.sent)}"
            await self.both.send(subject)
            self.sent.append(subject)
        await asyncio.sleep(self.chance.choice((0, 0, 0.02, 0.2, 0.6)))
        for subject, mid in self.held():
            act = self.chance.random()
            if act < 0.35:
                await self.decide(mid, Mark.RELEASED)
            elif act < 0.5 and (await self.decide(mid, Mark.DELETED)).done:
                self.deleted.add(subject)
        await asyncio.sleep(self.chance.choice((0, 0, 0.02, 0.2, 0.6)))

    def role(self) -> Manager:
        role = self.both.manager.appliance.role
        assert isinstance(role, Manager)
        return role

    async def decide(self, mid: int, mark: Mark) -> Any:
        return await self.role().decide(mid, "Policy", mark, Cause.MANUAL, CAROL)

    def held(self) -> list[tuple[str, int]]:
        return [(copy.subject, copy.mid) for copy in self._copies(self.both.manager) if copy.custody == "HELD"]

    def _copies(self, place: Place) -> list[Any]:
        return [place.view.copy(mid) for mid, _, _ in place.view.live_bodies()]

    # --- one point
    async def point(self, number: int, place: Place) -> None:
        await self.traffic()
        saved = self.base / f"backup-{number}"
        made = await asyncio.to_thread(back_up, place.directory, saved)
        assert not made.wrong
        before = len(self.sent)
        for _ in range(self.chance.randint(0, 2)):
            await self.traffic()
        known = {copy.subject for copy in self._copies(self.both.manager)} | set(self.both.delivered())
        await place.stop()
        if place.role == "gateway":
            self.died |= {s for s in self.sent[before:] if s not in known | self.deleted}
        shutil.rmtree(place.directory)
        await asyncio.to_thread(restore, saved, place.directory, verify=True)
        shutil.rmtree(saved)
        await place.start()
        await until(self.recovered, f"point {number}: the {place.role} recovers", RECOVER_SECONDS)
        self.points[place.role] += 1

    def recovered(self) -> bool:
        places = (self.both.manager, self.both.gateway)
        return not any(peer.set_back for place in places for peer in place.view.peers())

    # --- the books
    async def settle(self) -> None:
        """Everything is released or decided by a person, and delivered."""
        await until(lambda: not self.both.gateway.custody("X"), "what is in doubt is answered", SETTLE_SECONDS)
        for mid in self.both.manager.view.doubtful(10_000):
            self.doubted += 1
            assert (await self.role().resolve(mid, CAROL, send=True)).done
        for _, mid in self.held():
            await self.decide(mid, Mark.RELEASED)
        await until(self._quiet, "all is delivered", SETTLE_SECONDS)

    def _quiet(self) -> bool:
        manager, gateway = self.both.manager, self.both.gateway
        waiting = sum(manager.custody(state) for state in ("HELD", "REL", "RELD"))
        return not waiting and not sum(gateway.custody(state) for state in ("Q", "X", "ACTIVE"))

    def books(self) -> dict[str, Any]:
        delivered: Counter[str] = Counter()
        marked: Counter[str] = Counter()
        for message in list(self.both.hop.messages):
            head = message.octets.partition(b"\r\n\r\n")[0]
            found = SUBJECT.search(head)
            assert found is not None
            subject = found[1].decode()
            delivered[subject] += 1
            marked[subject] += MARK.search(head) is not None
        at_gateway = [copy.mid for copy in self._copies(self.both.gateway) if copy.custody == "DOUBT"]
        lost = [s for s in self.sent if not delivered[s] and s not in self.deleted | self.died]
        twice = [s for s in self.sent if delivered[s] > 1 and delivered[s] - marked[s] > 1]
        return {
            "good": not lost and not twice,
            "sent": len(self.sent),
            "delivered": sum(delivered.values()),
            "deleted": len(self.deleted),
            "lost": lost,
            "unrecorded_duplicates": twice,
            "marked_duplicates": sum(marked[s] for s in self.sent if delivered[s] > 1),
            "died_with_the_gateways_disk": len(self.died - set(delivered)),
            "deletions_undone": len([s for s in self.deleted if delivered[s]]),
            "in_doubt": self.doubted + len(at_gateway),
            "points": dict(self.points),
        }


async def drill(points: int, seed: int, base: Path) -> dict[str, Any]:
    """`points` restores of the manager and as many roll-backs of the gateway, in random order."""
    started = time.perf_counter()
    async with pair(base / "pair") as both:
        run = Drill(both, base, seed)
        await both.start()
        order = ["manager", "gateway"] * points
        run.chance.shuffle(order)
        for number, role in enumerate(order):
            await run.point(number, both.manager if role == "manager" else both.gateway)
        await run.settle()
        return run.books() | {"seed": seed, "seconds": round(time.perf_counter() - started, 1)}


def main(arguments: list[str]) -> int:
    words = dict(zip(arguments[::2], arguments[1::2], strict=True))
    points, seed = int(words.get("--points", "50")), int(words.get("--seed", str(time.time_ns() % 1_000_000)))
    with tempfile.TemporaryDirectory(prefix="drill-") as base:
        told = asyncio.run(drill(points, seed, Path(base)))
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if told["good"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
