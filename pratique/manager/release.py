"""A decision about a held message: its mark, and when it was the last one, the release or the end.

The transfer is encoded, certified and sealed before the commit; the commit is a compare-and-swap, so of two reviewers
one wins and the other is told. Nothing is sent before the release, its actor and its audit row are durable.
"""

import json
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.mail.ids import make_cid, make_xid
from pratique.manager.copies import as_new, child_of, envelope_of
from pratique.manager.overflow import changes_of, early_release
from pratique.quarantine.lifecycle import Cause, Exit, Mark, exit_of
from pratique.runner.link_items import Item
from pratique.runner.services import Services, audit
from pratique.store.corrupt import why_corrupt
from pratique.store.moves import EndDoubt, Exited, ExitHold, MoveRefused, Retarget, SendCopy
from pratique.store.records import Copy, Hold, NewTransfer, Quarantine, Transfer
from pratique.telemetry import events as log
from pratique.transfer.messages import SealedGroup
from pratique.transfer.metadata import Change, HistoryEntry, MetadataError, Out, Release, decode, forwarded
from pratique.transfer.release import sign_release
from pratique.transfer.seal import sealed_group

# What an older store still holds may have been released or deleted since (custody.md §2.4, rule 2).
SET_BACK = (
    "this manager was set back to an older state and recovers first (`pratique doctor`); without that, with loss: "
    "`pratique enroll --accept-setback {serial}`"
)
CORRUPT = "MID {mid} is CORRUPT and stays held: {why}; it can be deleted, or restored and proved by `pratique fsck`"
# Why a message has no release that could go elsewhere, by its custody.
NOT_ON_ITS_WAY = {
    "HELD": "it is held: release it first",
    "RELD": "a gateway has it already",
    "CLOSED": "a gateway has reported its end",
    "DEL": "it was deleted",
}
_RESOLVED = {
    True: "in doubt, goes to {to}; a possible duplicate, and marked so",
    False: "in doubt, counts as delivered",
}
TRIES = 5  # a reviewer's decision that meets others' changes is read and tried again


@dataclass(frozen=True, slots=True)
class Actor:
    """Who orders it, for the record: a user, or policy:<name>@<version> for a timer."""

    name: str
    role: str
    authn: str  # password, token, local, timer
    session: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision led to. `done` is false when it was already decided by someone else, or the mail is not there.
    `said`: what was done, where that is more than the exit; `mid`: of a copy that was made."""

    done: bool
    exit: str = Exit.NONE
    why: str = ""
    said: str = ""
    mid: int = 0
    item: Item | None = None  # the release, ready for the link to its gateway
    peer: str = ""  # serial of that gateway


def _decided(copy: Copy, transfer: NewTransfer | None, exited: Exited) -> Decided:
    if transfer is None:
        return Decided(True, exited.exit)
    xid, size = make_xid(transfer.cid, transfer.hop), copy.extent.length if copy.extent is not None else copy.size
    group = SealedGroup(xid, transfer.commands, transfer.metadata, transfer.seal, size)
    rids = tuple(range(len(copy.envelope.recipients)))
    item = Item(transfer.cid, transfer.hop, copy.mid, rids, group, transfer.seq, None)
    return Decided(True, exited.exit, item=item, peer=transfer.peer)


class Releaser:
    def __init__(self, services: Services, *, key: Ed25519PrivateKey, rescan: tuple[str, ...]) -> None:
        self._services = services
        self._key = key
        self._rescan = rescan

    def use(self, rescan: tuple[str, ...]) -> None:
        """What is checked anew at the next release."""
        self._rescan = rescan

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        """Give the mark. Durable on return, with the actor and the audit row."""
        for _ in range(TRIES):
            view = self._services.store.view
            copy, holds = view.copy(mid), view.holds(mid)
            hold = next((h for h in holds if h.quarantine == quarantine), None)
            if copy is None or hold is None or copy.custody != "HELD" or hold.mark != Mark.HELD:
                return Decided(False, why="not held in that quarantine any more")
            origin = view.peer(copy.origin_serial)
            if origin is not None and origin.set_back_here:
                return Decided(False, why=SET_BACK.format(serial=origin.serial))
            if mark is Mark.RELEASED and (corrupt := why_corrupt(view, mid)):
                return Decided(False, why=CORRUPT.format(mid=mid, why=corrupt))
            try:
                move = self._move(copy, holds, hold, mark, cause, actor)
            except MetadataError as error:
                return self._not_encoded(copy, error)
            try:
                exited: Exited = await self._services.store.submit(move)
            except MoveRefused:
                continue  # someone else changed it meanwhile: read again
            self._log(copy, hold, move, exited)
            return _decided(copy, move.transfer, exited)
        return Decided(False, why="others keep changing this message; try again")

    def _not_encoded(self, copy: Copy, error: MetadataError) -> Decided:
        """Too many declared changes, for instance: it stays held, and somebody hears of it."""
        why = f"MID {copy.mid} cannot be released as it is ordered: its metadata would be refused ({error})"
        self._services.telemetry.emit(log.Alarm(message=why, cid=copy.cid, condition=log.Condition.STUCK_RELEASE))
        return Decided(False, why=why)

    def _move(
        self, copy: Copy, holds: tuple[Hold, ...], hold: Hold, mark: Mark, cause: Cause, actor: Actor
    ) -> ExitHold:
        now = self._services.clock.now_ms()
        marks = [mark if h.quarantine == hold.quarantine else Mark(h.mark) for h in holds]
        transfer = None
        if exit_of(marks) is Exit.RELEASE:
            transfer = self._transfer(copy, holds, hold, cause, actor, now)
        detail = json.dumps(
            {
                "quarantine": hold.quarantine,
                "cause": cause,
                "role": actor.role,
                "authn": actor.authn,
                "session": actor.session,
            }
        )
        action = "release" if mark is Mark.RELEASED else "delete"
        return ExitHold(
            mid=copy.mid,
            quarantine=hold.quarantine,
            mark=mark,
            cause=cause,
            actor=actor.name,
            at=now,
            version=copy.version,
            transfer=transfer,
            audit=(audit(actor.name, action, copy.mid, copy.cid, detail=detail),),
        )

    def _transfer(
        self, copy: Copy, holds: tuple[Hold, ...], last: Hold, cause: Cause, actor: Actor, now: int
    ) -> NewTransfer:
        outs = tuple(_out(h, now, cause, actor) if h is last else _out_of(h, now) for h in holds)
        ended = [replace(h, mark=Mark.RELEASED, cause=cause, decided_at=now) if h is last else h for h in holds]
        changes = changes_of(ended, self._quarantines()) if any(h.cause == Cause.QUEUE_FULL for h in ended) else ()
        return self._sealed(copy, outs, actor, now, to=copy.origin_serial, may_duplicate=False, changes=changes)

    def _quarantines(self) -> dict[str, Quarantine]:
        return {q.name: q for q in self._services.store.view.quarantines()}

    def _sealed(
        self,
        copy: Copy,
        outs: tuple[Out, ...],
        actor: Actor,
        now: int,
        *,
        to: str,
        may_duplicate: bool,
        hop: int = 0,
        changes: tuple[Change, ...] = (),
    ) -> NewTransfer:
        store = self._services.store
        hop = hop or copy.hop + 1
        xid, seq = make_xid(copy.cid, hop), store.next_seq()
        certificate = sign_release(
            self._key,
            xid=xid,
            sha256=copy.sha256,
            to=to,
            actor=actor.name,
            role=actor.role,
            authn=actor.authn,
            session=actor.session,
            reason=outs[-1].cause,
            rule=actor.name if actor.authn == "timer" else "",
            at=now,
            audit_head=store.audit_head(),
        )
        release = Release(
            mid=copy.mid,
            serial=store.identity.serial,
            ip="",
            out=outs,
            rescan=self._rescan,
            may_duplicate=may_duplicate,
            cert=certificate,
        )
        entry = HistoryEntry(hop=copy.hop, serial=store.identity.serial, mid=copy.mid, at=copy.at, ended="released")
        octets = forwarded(copy.context, xid=xid, release=release, history=entry, changes=changes)
        group = sealed_group(
            xid=xid, envelope=copy.envelope, size=copy.size, sha256=copy.sha256, seq=seq, metadata=octets
        )
        return NewTransfer(copy.cid, hop, to, seq, "X", group.seal, group.command_octets, group.metadata)

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        """A copy of a message that is held in `quarantine` goes to other addresses, by the gateway that caught it; the
        message itself stays as it is. Durable on return; `mid` of the answer is the copy's. Raises BadAddress."""
        services, view = self._services, self._services.store.view
        copy = view.copy(mid)
        hold = next((h for h in view.holds(mid) if h.quarantine == quarantine and h.mark == Mark.HELD), None)
        if copy is None or hold is None or copy.custody != "HELD" or copy.extent is None:
            return Decided(False, why="not held in that quarantine any more")
        origin = view.peer(copy.origin_serial)
        if origin is None or origin.withdrawn:
            return Decided(False, why=f"the gateway of MID {mid} is not enrolled any more")
        if origin.set_back_here:
            return Decided(False, why=SET_BACK.format(serial=origin.serial))
        if corrupt := why_corrupt(view, mid):
            return Decided(False, why=CORRUPT.format(mid=mid, why=corrupt))
        now, envelope = services.clock.now_ms(), envelope_of(copy.envelope, addresses)
        cid = make_cid(now, services.clock.random(10))
        try:
            child = child_of(copy, mid=services.store.next_mid(), cid=cid, envelope=envelope, at=now)
            outs = (_out(hold, now, Cause.MANUAL, actor),)
            transfer = self._sealed(child, outs, actor, now, to=origin.serial, may_duplicate=False)
        except MetadataError as error:
            return Decided(False, why=f"no copy can be made of MID {mid}: its metadata would be refused ({error})")
        detail = json.dumps({"quarantine": quarantine, "to": addresses, "mid": child.mid, "cid": cid})
        entry = audit(actor.name, "copy", mid, copy.cid, detail=detail)
        try:
            await services.store.submit(SendCopy(mid, quarantine, as_new(child, transfer), (entry,)))
        except MoveRefused as refused:
            return Decided(False, why=refused.why)
        by = f"{actor.name}, who sends a copy"
        services.telemetry.emit(log.Generated(mid=child.mid, parent=mid, by=by, cid=cid))
        services.telemetry.emit(log.QueuedForDelivery(mid=child.mid, cid=cid))
        return Decided(True, Exit.RELEASE, mid=child.mid)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        """A release goes to the gateway `to` instead. Free when the present target has cancelled the hop for good;
        while it may have it, only with `override`: then the copy says that it may be a duplicate, and so does the
        record (I4). A gateway that has cancelled the hop takes it only as a new one, hop + 2. Durable on return."""
        view = self._services.store.view
        copy = view.copy(mid)
        old = view.release_of(mid)
        why = self._no_retarget(mid, copy, old, to=to, override=override)
        if why:
            return Decided(False, why=why)
        assert copy is not None and old is not None
        in_doubt = old.state != "CANC"
        gone = {old.peer} | view.cancelled_targets(copy.cid, old.hop)
        hop = old.hop + 2 if to in gone else old.hop
        before = decode(old.metadata, hop=old.hop)
        assert before.release is not None  # decode() demands it on even hops
        may_duplicate = in_doubt or before.release.may_duplicate
        own = len(
            decode(copy.context, hop=copy.hop).changes
        )  # those of the gateway; the rest was ordered by the release
        now = self._services.clock.now_ms()
        transfer = self._sealed(
            copy,
            before.release.out,
            actor,
            now,
            to=to,
            may_duplicate=may_duplicate,
            hop=hop,
            changes=before.changes[own:],
        )
        detail = json.dumps(
            {"from": old.peer, "to": to, "hop": hop, "override": in_doubt, "may_duplicate": may_duplicate}
        )
        entry = audit(actor.name, "retarget", mid, copy.cid, detail=detail)
        try:
            await self._services.store.submit(Retarget(copy.cid, old.hop, transfer, (entry,), override=in_doubt))
        except MoveRefused as refused:
            return Decided(False, why=refused.why)
        said = self._log_retarget(copy, old, transfer, actor, in_doubt=in_doubt)
        return Decided(True, Exit.RELEASE, said=said)

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str = "") -> Decided:
        """A named actor ends the doubt about a copy that may have been delivered: it is offered to a gateway under a
        hop that nobody knows, marked as a possible duplicate, or it counts as delivered. Durable on return."""
        view = self._services.store.view
        copy, offered = view.copy(mid), view.release_of(mid)
        if copy is None or copy.custody != "DOUBT":
            return Decided(False, why=f"MID {mid}: there is no doubt about it")
        target = to or (offered.peer if offered is not None else copy.origin_serial)
        peer = view.peer(target)
        if send and (peer is None or peer.withdrawn or peer.role != "gateway"):
            return Decided(False, why=f"{target} is no enrolled gateway; --to names one: {self._gateways() or 'none'}")
        now, transfer = self._services.clock.now_ms(), None
        if send:
            outs = tuple(
                _out(h, now, Cause.MANUAL, actor) if h.mark == Mark.HELD else _out_of(h, now) for h in view.holds(mid)
            )
            hop = (offered.hop if offered is not None else copy.hop + 1) + 2
            transfer = self._sealed(copy, outs, actor, now, to=target, may_duplicate=True, hop=hop)
        detail = json.dumps({"sent": send, "to": target if send else "", "may_duplicate": send})
        entry = audit(actor.name, "resolve", mid, copy.cid, detail=detail)
        try:
            await self._services.store.submit(EndDoubt(mid, send, actor.name, transfer, (), "", (entry,)))
        except MoveRefused as refused:
            return Decided(False, why=refused.why)
        said = f"MID {mid}: {_RESOLVED[send].format(to=self._name(target))}, by {actor.name}"
        self._services.telemetry.emit(log.Alarm(message=said, cid=copy.cid, condition=log.Condition.DOUBT))
        return Decided(True, Exit.RELEASE if send else Exit.DELETE, said=said)

    def _no_retarget(self, mid: int, copy: Copy | None, old: Transfer | None, *, to: str, override: bool) -> str:
        """Why the release cannot go to `to`; "" when it can."""
        if copy is None:
            return f"MID {mid} is not on its way to a gateway: there is no such message here"
        if old is None or copy.custody != "REL":
            why = NOT_ON_ITS_WAY.get(copy.custody, f"its state is {copy.custody}")
            return f"MID {mid} is not on its way to a gateway: {why}"
        peer = self._services.store.view.peer(to)
        if peer is None or peer.withdrawn or peer.role != "gateway":
            return f"{to} is no enrolled gateway; there are: {self._gateways() or 'none'}"
        if old.peer == to and old.state != "CANC":
            return f"{self._name(to)} is the target of MID {mid} already"
        if peer.locked:
            return f"{self._name(to)} is locked ({peer.locked}): `pratique enroll DIR --unlock {to}` first"
        if peer.set_back_here:
            return SET_BACK.format(serial=to)
        if old.state != "CANC" and not override:
            return (
                f"MID {mid}: {self._name(old.peer)} may have it and has not cancelled it. Wait for its answer; "
                "or, when it will give none, --override offers it to both: it may be delivered twice, the second "
                "copy is marked X-Possible-Duplicate, and the audit says who ordered it"
            )
        return ""

    def _name(self, serial: str) -> str:
        peer = self._services.store.view.peer(serial)
        return f"{peer.name} ({serial})" if peer is not None else serial

    def _gateways(self) -> str:
        peers = self._services.store.view.peers()
        return ", ".join(self._name(p.serial) for p in peers if p.role == "gateway" and not p.withdrawn)

    def _log_retarget(self, copy: Copy, old: Transfer, new: NewTransfer, actor: Actor, *, in_doubt: bool) -> str:
        before = self._name(old.peer)
        text = f"MID {copy.mid}: its release goes to {self._name(new.peer)} instead of {before}, by {actor.name}"
        if new.hop > old.hop:
            text = f"MID {copy.mid}: its release goes anew to {self._name(new.peer)}, as hop {new.hop}, by {actor.name}"
        if in_doubt:
            text = f"{text}, who overrides: {before} may have it, so this is a possible duplicate"
        make = log.Alarm if in_doubt else log.Note
        self._services.telemetry.emit(make(message=text, cid=copy.cid))
        return text

    def _log(self, copy: Copy, hold: Hold, move: ExitHold, exited: Exited) -> None:
        emit = self._services.telemetry.emit
        word = "released" if move.mark == Mark.RELEASED else "deleted"
        emit(
            log.HoldEnded(
                mid=copy.mid,
                mark=word,
                quarantine=hold.quarantine,
                cause=move.cause,
                held_s=max(0, move.at - hold.received) // 1000,
                actor=move.actor,
                stripped=self._is_stripped(move),
                cid=copy.cid,
            )
        )
        if exited.exit == Exit.RELEASE:
            emit(log.AllEnded(mid=copy.mid, mark="released", cid=copy.cid))
            emit(log.QueuedForDelivery(mid=copy.mid, cid=copy.cid))
        elif exited.exit == Exit.DELETE:
            emit(log.AllEnded(mid=copy.mid, mark="deleted", cid=copy.cid))

    def _is_stripped(self, move: ExitHold) -> bool:
        early = move.cause == Cause.QUEUE_FULL and move.mark == Mark.RELEASED
        return early and early_release(self._quarantines().get(move.quarantine)).strip_attachments


def _out(hold: Hold, now: int, cause: Cause, actor: Actor) -> Out:
    return Out(name=hold.quarantine, cause=cause, actor=actor.name, held_s=max(0, now - hold.received) // 1000)


def _out_of(hold: Hold, now: int) -> Out:
    """A quarantine that let the message go earlier."""
    return Out(
        name=hold.quarantine,
        cause=hold.cause or Cause.MANUAL,
        actor=hold.actor,
        held_s=max(0, (hold.decided_at or now) - hold.received) // 1000,
    )
