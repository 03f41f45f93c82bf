"""Released mail comes back: check the manager's release certificate, judge anew what must be judged anew, deliver.

The role's half of the quarantine port on a gateway (runner.cpq_server.Taker). A release is taken only with a
certificate signed by the enrolled manager for this transfer, this body and this gateway.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from pratique.gateway import context as stored
from pratique.gateway.apply import Planner, deliveries_for
from pratique.gateway.judging import Outlets
from pratique.gateway.pipeline import Judged, Pipeline, Source
from pratique.mail.ids import parse_xid
from pratique.policy.decision import QuarantineWish
from pratique.quarantine.kinds import VIRUS
from pratique.runner.cpq_parts import Decided, Offer, alarm_refused, read_metadata
from pratique.runner.readiness import Asker, Line, common_lines, line
from pratique.runner.services import Services, audit
from pratique.store.moves import JournalTaken, Receive
from pratique.store.records import NewCopy, Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import V_DENIED, V_STORE, Keyword, Row, Verdict
from pratique.transfer.metadata import Metadata, Release, Trace, decode
from pratique.transfer.release import verify_release

# Policy would drop at the door what a reviewer has let go: it goes back to a person, never away unseen.
DROP_NOW = QuarantineWish(VIRUS, "virus", ("antivirus: found after the release",))


@dataclass(slots=True)
class Reinject:
    services: Services
    pipeline: Pipeline
    planner: Planner
    outlets: Outlets
    manager_met: Callable[[Peer], None]
    let_go: Callable[[tuple[int, ...]], None]
    suspended: str = ""
    uncommitted: Callable[[], str] = lambda: ""  # what is to be done about changes that are not in force
    side: str = "gateway"

    def standing(self) -> tuple[Keyword, str]:
        if self.suspended:
            return Keyword.SUSPENDED, self.suspended
        return Keyword.READY, ""

    def suspended_quarantines(self) -> tuple[str, ...]:
        return ()

    def checks(self, asker: Asker) -> tuple[Line, ...]:
        free = self.services.store.spool.free_bytes() > 0
        return (
            *common_lines(
                asker,
                standing=self.standing(),
                suspended=self.suspended,
                uncommitted=self.uncommitted(),
                here="gateway",
            ),
            line("space", "" if free else "Free disk space on the gateway"),
        )

    def clocks(self, peer: Peer, *, differ: bool) -> None:
        """Nothing here expires."""

    def met(self, peer: Peer) -> None:
        self.manager_met(peer)

    def journal(self, peer: Peer, rows: tuple[Row, ...], taken: JournalTaken) -> None:
        if taken.dropped:
            self.let_go(taken.dropped)

    def take(self, offer: Offer, decided: Decided) -> None:
        cid, hop = parse_xid(offer.group.xid)
        metadata = read_metadata(self.services, offer)
        if isinstance(metadata, Verdict):
            decided(metadata)
            return
        release = metadata.release
        assert release is not None  # decode() demands it on even hops
        verdict = self._check_certificate(offer, release)
        if verdict is not None:
            decided(verdict)
            return
        if release.rescan:
            self.services.tasks.spawn(self._rescan(offer, cid, hop, metadata, decided), f"rescan {offer.group.xid}")
        else:
            decided(self._move(offer, cid, hop, metadata, None))

    def _check_certificate(self, offer: Offer, release: Release) -> Verdict | None:
        try:
            verify_release(
                release.cert,
                public_key=offer.peer.sign_key,
                xid=offer.group.xid,
                sha256=offer.group.sha256,
                to=self.services.store.identity.serial,
            )
        except ValueError as error:
            alarm_refused(self.services, offer, f"release certificate: {error}")
            return V_DENIED
        return None

    async def _rescan(self, offer: Offer, cid: str, hop: int, metadata: Metadata, decided: Decided) -> None:
        try:
            decided(await self._rescanned(offer, cid, hop, metadata))
        except Exception:
            decided(V_STORE)  # the manager keeps it and sends it again; the task's owner reports the failure
            raise

    async def _rescanned(self, offer: Offer, cid: str, hop: int, metadata: Metadata) -> Receive:
        source = self._source(metadata)
        body = self.services.store.spool.open(offer.stored.extent, offer.stored.sha256)
        reasons = (reason for quarantine in metadata.quarantines for reason in quarantine.reasons)
        assert metadata.release is not None
        done = frozenset((*metadata.judged, *reasons)) - set(metadata.release.rescan)
        judged = await self.pipeline.rejudge(source, offer.group.envelope, body, offer.octets, done)
        return self._move(offer, cid, hop, metadata, judged)

    def _source(self, metadata: Metadata) -> Source:
        return Source(
            remote_ip=metadata.client.ip,
            remote_host=metadata.client.rdns,
            helo=metadata.client.helo,
            listener=metadata.origin.listener,
            interface="Management",
            table=metadata.policy.table,
            now_ms=self.services.clock.now_ms(),
        )

    def _move(self, offer: Offer, cid: str, hop: int, metadata: Metadata, judged: Judged | None) -> Receive:
        release = metadata.release
        assert release is not None
        now, mid = self.services.clock.now_ms(), self.services.store.next_mid()
        group, peer = offer.group, offer.peer
        context = stored.Context(
            trace=metadata.trace,
            changes=metadata.changes,
            may_duplicate=release.may_duplicate,
            returned=Trace(
                from_helo=peer.name, from_ip=offer.remote_ip, by=self.services.name, with_="CPQ", id=str(mid), at=now
            ),
            journal_to=peer.serial,
            xid=group.xid,
        )
        copy = NewCopy(
            mid=mid,
            cid=cid,
            hop=hop,
            custody="ACTIVE",
            icid=offer.icid,
            at=now,
            envelope=group.envelope,
            extent=offer.stored.extent,
            sha256=group.sha256,
            origin_serial=metadata.origin.serial,
            origin_host=metadata.origin.host,
            origin_ip=metadata.client.ip,
            origin_mid=metadata.origin.mid,
            context=stored.encode(context),
            deliveries=deliveries_for(group.envelope, now),
        )
        actors = [out.actor for out in release.out]
        detail = json.dumps({"from": peer.serial, "released_by": actors, "manager_mid": release.mid})
        entry = audit(f"peer:{peer.serial}", "return", mid, cid, detail=detail)
        move = Receive(
            peer=peer.serial,
            nonce="",
            inc=0,
            hop=hop,
            seal=group.seal,
            seq=group.seq,
            copy=copy,
            audit=(entry,),
        )
        if judged is not None:
            return self._hold_again(move, offer, metadata, judged)
        return move

    def _hold_again(self, move: Receive, offer: Offer, metadata: Metadata, judged: Judged) -> Receive:
        """A new verdict may send the message back to quarantine: the next odd hop of the same copy. What a reviewer has
        seen and released is not held again for the same finding (docs/operate/quarantine.md)."""
        found = judged.decision.dispositions
        wishes = {wish.name: wish for one in found for wish in one.quarantines}
        if any(one.outcome == "drop" for one in found):
            wishes.setdefault(VIRUS, DROP_NOW)
        if not wishes:
            return move
        held = self.planner.hold_again(move.copy, metadata, tuple(wishes.values()), size=offer.stored.size)
        return replace(move, copy=held)

    def taken(self, offer: Offer, move: Receive) -> None:
        copy = move.copy
        emit = self.services.telemetry.emit
        metadata = decode(offer.group.metadata, hop=move.hop)
        names = [out.name for out in metadata.release.out] if metadata.release is not None else []
        emit(log.StartMid(mid=copy.mid, icid=offer.icid, cid=copy.cid))
        emit(log.MidFrom(mid=copy.mid, icid=offer.icid, sender=copy.envelope.sender, cid=copy.cid))
        for rid, recipient in enumerate(copy.envelope.recipients):
            emit(log.MidTo(mid=copy.mid, icid=offer.icid, rid=rid, recipient=recipient.address, cid=copy.cid))
        emit(log.MidReady(mid=copy.mid, size=offer.group.size, sender=copy.envelope.sender, cid=copy.cid))
        emit(
            log.ReceivedFromManager(
                mid=copy.mid,
                address=offer.remote_ip,
                origin_mid=copy.origin_mid,
                quarantine='", "'.join(names),
                cid=copy.cid,
            )
        )
        if copy.transfer is not None:
            self.outlets.transfer(copy, offer.octets)
        else:
            emit(log.QueuedForDelivery(mid=copy.mid, cid=copy.cid))
            self.outlets.deliver(copy)
