"""A decision about a held message: its mark, and when it was the last one, the release or the end.

The transfer is encoded, certified and sealed before the commit; the commit is a compare-and-swap, so of two reviewers
one wins and the other is told. Nothing is sent before the release, its actor and its audit row are durable.
"""

import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.mail.ids import make_xid
from pratique.quarantine.lifecycle import Cause, Exit, Mark, exit_of
from pratique.runner.services import Services, audit
from pratique.store.moves import Exited, ExitHold, MoveRefused, Retarget
from pratique.store.records import Copy, Hold, NewTransfer
from pratique.telemetry import events as log
from pratique.transfer.metadata import HistoryEntry, Out, Release, forwarded
from pratique.transfer.release import sign_release
from pratique.transfer.seal import sealed_group

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
    """What a decision led to. `done` is false when it was already decided by someone else, or the mail is not there."""

    done: bool
    exit: str = Exit.NONE
    why: str = ""


class Releaser:
    def __init__(self, services: Services, *, key: Ed25519PrivateKey, rescan: tuple[str, ...]) -> None:
        self._services = services
        self._key = key
        self._rescan = rescan

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        """Give the mark. Durable on return, with the actor and the audit row."""
        for _ in range(TRIES):
            view = self._services.store.view
            copy, holds = view.copy(mid), view.holds(mid)
            hold = next((h for h in holds if h.quarantine == quarantine), None)
            if copy is None or hold is None or copy.custody != "HELD" or hold.mark != Mark.HELD:
                return Decided(False, why="not held in that quarantine any more")
            move = self._move(copy, holds, hold, mark, cause, actor)
            try:
                exited: Exited = await self._services.store.submit(move)
            except MoveRefused:
                continue  # someone else changed it meanwhile: read again
            self._log(copy, hold, move, exited)
            return Decided(True, exited.exit)
        return Decided(False, why="others keep changing this message; try again")

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
        return self._sealed(copy, outs, actor, now, to=copy.origin_serial, may_duplicate=False)

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
        octets = forwarded(copy.context, xid=xid, release=release, history=entry)
        group = sealed_group(
            xid=xid, envelope=copy.envelope, size=copy.size, sha256=copy.sha256, seq=seq, metadata=octets
        )
        return NewTransfer(copy.cid, hop, to, seq, "X", group.seal, group.command_octets, group.metadata)

    async def retarget(self, copy: Copy, hop: int, to: str, actor: Actor, *, may_duplicate: bool) -> None:
        """The first target cancelled the hop for good, or an actor overrides: the same hop goes to another gateway."""
        now = self._services.clock.now_ms()
        holds = self._services.store.view.holds(copy.mid)
        outs = tuple(_out_of(h, now) for h in holds)
        transfer = self._sealed(copy, outs, actor, now, to=to, may_duplicate=may_duplicate, hop=hop)
        detail = json.dumps({"to": to, "may_duplicate": may_duplicate})
        entry = audit(actor.name, "retarget", copy.mid, copy.cid, detail=detail)
        await self._services.store.submit(Retarget(copy.cid, hop, transfer, (entry,)))

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
                cid=copy.cid,
            )
        )
        if exited.exit == Exit.RELEASE:
            emit(log.AllEnded(mid=copy.mid, mark="released", cid=copy.cid))
            emit(log.QueuedForDelivery(mid=copy.mid, cid=copy.cid))
        elif exited.exit == Exit.DELETE:
            emit(log.AllEnded(mid=copy.mid, mark="deleted", cid=copy.cid))


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
