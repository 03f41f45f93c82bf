"""A manager assembled over a store in memory, and, where a test wants it, a gateway at the other end of pipes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pratique.fleet.identity import load_signing_key
from pratique.fleet.trust import Trust
from pratique.gateway.apply import Planner
from pratique.manager.app import Manager, Parts
from pratique.manager.release import Actor
from pratique.manager.settings import ManagerSettings
from pratique.net.tls import TlsInfo
from pratique.policy.decision import Disposition, QuarantineWish
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner import link as link_module
from pratique.runner.cpq_parts import Offer
from pratique.runner.settings import CpqSettings
from pratique.store.moves import HelloFrom, PutQuarantine, Receive
from pratique.store.records import Peer, Quarantine
from pratique.transfer.messages import Group, Verdict
from tests.conformance.samples import GATEWAY, MESSAGE, NONCE, NOW
from tests.gateway.office import Office, judged, reception
from tests.runner.support import ADDRESSES, Known, Network, Node, enrol, turns, until

CAROL = Actor("carol", "operator", "password", "s1")
DAVE = Actor("dave", "administrator", "token", "s2")
POLICY = QuarantineWish("Policy", "policy", ("message filter:big",), (("1", "Offer"),), 3600)


async def make_quarantines(node: Node) -> None:
    for made in SYSTEM_MADE.values():
        quarantine = Quarantine(made.name, made.kind, made.retention_s, made.default_action, created_at=NOW)
        await node.store.submit(PutQuarantine(quarantine, ()))


class Desk:
    """`await Desk(tmp_path, monkeypatch).made()`: one gateway is enrolled, by its keys; it offers groups as values."""

    def __init__(self, directory: Path, monkeypatch: Any, **settings: Any) -> None:
        self.node, self.sender = Node("manager"), Node("gateway")
        self.network = Network()
        monkeypatch.setattr(link_module, "dial", self.network.dial)
        self.mine, self.gateways = Known(directory / "mine", self.node), Known(directory / "gateway", self.sender)
        self.planner = Planner(self.sender.services)
        self.planner.manager, self.planner.ready = self.node.serial, True
        self._settings = settings

    async def made(self) -> "Desk":
        await make_quarantines(self.node)
        await enrol(self.node, self.gateways)
        keys = self.mine.keys
        parts = Parts(
            settings=ManagerSettings(**self._settings),
            cpq=CpqSettings(address=self.mine.address),
            trust=Trust(keys, self.node.store.view.peers),
            signing_key=load_signing_key(keys),
        )
        self.manager = Manager(self.node.services, parts)
        self.manager.reception.refresh()
        return self

    async def close(self) -> None:
        for ends in self.network.connections:
            ends[0].lose()
        await turns()
        for link in self.manager.links.values():
            await link.stop()
        await self.node.tasks.close()
        assert self.node.failures == []

    def peer(self) -> Peer:
        found = self.node.store.view.peer(GATEWAY)
        assert found is not None
        return found

    # --- arrivals
    def offer(self, *wishes: QuarantineWish, octets: bytes = MESSAGE, recipients: int = 1) -> Offer:
        """A group as the gateway would send it, its body in our spool."""
        given = reception(self.sender, *(f"r{n}@example.com" for n in range(recipients)), octets=octets)
        everyone = tuple(range(recipients))
        plan = self.planner.plan(
            given, judged(Disposition(everyone, "DEFAULT", "deliver", quarantines=wishes or (POLICY,)))
        )
        return self.offer_of(plan.copies[0], octets)

    def offer_of(self, copy: Any, octets: bytes) -> Offer:
        transfer = copy.transfer
        group = Group(
            f"{transfer.cid}.{transfer.hop}",
            copy.envelope,
            len(octets),
            copy.sha256,
            transfer.seq,
            transfer.seal,
            transfer.metadata,
            transfer.commands,
        )
        return Offer(
            self.peer(), group, self.node.samples.body(octets), octets, 3, ADDRESSES[GATEWAY], TlsInfo("", "", b"")
        )

    def decided(self, offer: Offer) -> Receive | Verdict:
        found: list[Receive | Verdict] = []
        self.manager.reception.take(offer, found.append)
        (one,) = found
        return one

    async def held(self, *wishes: QuarantineWish, **how: Any) -> int:
        """A held message; its MID."""
        if not self.peer().nonce:
            await self.node.store.submit(HelloFrom(GATEWAY, NONCE, 1, 0, f"{ADDRESSES[GATEWAY]}:7025", NOW))
        offer = self.offer(*wishes, **how)
        move = self.decided(offer)
        assert isinstance(move, Receive), move
        move = replace(move, nonce=NONCE, inc=1)
        await self.node.store.submit(move)
        self.manager.reception.taken(offer, move)
        return move.copy.mid

    async def decide(
        self, mid: int, mark: Mark = Mark.RELEASED, *, actor: Actor = CAROL, quarantine: str = "Policy"
    ) -> Any:
        return await self.manager.decide(mid, quarantine, mark, Cause.MANUAL, actor)

    def custody(self, mid: int) -> str:
        copy = self.node.store.view.copy(mid)
        assert copy is not None
        return copy.custody

    def lines(self, *words: str) -> list[str]:
        return self.node.log.lines(*words)


class Fleet:
    """A gateway and a manager, joined by pipes: the whole path in one process without a socket."""

    def __init__(
        self, directory: Path, monkeypatch: Any, *, rescan: tuple[str, ...] = ("virus",), **gateway: Any
    ) -> None:
        self.office = Office(directory / "office", monkeypatch, **{"filters": HOLD, **gateway})
        self._rescan = rescan

    async def made(self) -> "Fleet":
        office = self.office
        self.node = office.other
        await make_quarantines(self.node)
        await enrol(self.node, office.mine)
        keys = office.managers.keys
        parts = Parts(
            settings=ManagerSettings(rescan=self._rescan),
            cpq=CpqSettings(address=office.managers.address),
            trust=Trust(keys, self.node.store.view.peers),
            signing_key=load_signing_key(keys),
        )
        self.manager = Manager(self.node.services, parts)
        self.manager.reception.refresh()
        office.gateway.parts = office.parts
        listening = office.network.listening
        listening[office.managers.address, 7025] = self.manager.cpq.new_session
        listening[office.mine.address, 7025] = office.gateway.cpq.new_session
        await office.made()
        self.manager.peers_changed()
        return self

    async def close(self) -> None:
        for link in self.manager.links.values():
            await link.stop()
        await self.office.close()
        await self.node.tasks.close()
        assert self.node.failures == []

    async def held(self, octets: bytes = MESSAGE, *, count: int = 1) -> list[int]:
        """Send it to the gateway; MIDs that the manager holds, when there are so many."""
        assert (await self.office.send(octets=octets)).startswith("250")

        def mids() -> list[int]:
            view = self.node.store.view
            found = [m for m in range(1, self.node.store._mid + 1) if (c := view.copy(m)) and c.custody == "HELD"]
            return found if len(found) >= count else []

        found: list[int] = await until(mids)
        return found

    async def release(self, mid: int, quarantine: str = "Policy") -> Any:
        return await self.manager.decide(mid, quarantine, Mark.RELEASED, Cause.MANUAL, CAROL)

    def custody(self, mid: int) -> str:
        copy = self.node.store.view.copy(mid)
        assert copy is not None
        return copy.custody


HOLD = 'hold: if (true) { quarantine("Policy"); }'
