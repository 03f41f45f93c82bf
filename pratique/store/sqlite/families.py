"""Which function applies which move: hot ones take a whole run of their type, the others one move at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from pratique.store import moves
from pratique.store.records import Extent
from pratique.store.sqlite import facts, holds, mail, offer, recovery, take
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Tx

BATCHES: dict[type, Callable[[Tx, Sequence[Item[Any]]], list[Any]]] = {
    moves.Accept: mail.accept,
    moves.DotSent: mail.dot_sent,
    moves.ExitHold: holds.exit_hold,
    moves.Receive: take.receive,
    moves.Settle: mail.settle,
    moves.TransfersAnswered: offer.transfers_answered,
}
SINGLES: dict[type, Callable[[Tx, Item[Any]], Any]] = {
    moves.AcceptSetback: take.accept_setback,
    moves.Adopt: recovery.adopt_all,
    moves.Cancel: take.cancel,
    moves.Confirm: take.confirm,
    moves.DelayExit: holds.delay_exit,
    moves.DropQuarantine: facts.drop_quarantine,
    moves.EndDoubt: recovery.end_doubt,
    moves.Forget: mail.forget,
    moves.FoundOld: take.found_old,
    moves.HelloFrom: take.hello_from,
    moves.Intend: offer.intend,
    moves.JournalAcked: take.journal_acked,
    moves.JournalIn: take.journal_in,
    moves.Judge: mail.judge,
    moves.LetGo: mail.let_go,
    moves.MoveHold: holds.move_hold,
    moves.PutPeer: facts.put_peer,
    moves.RenewPeer: facts.renew_peer,
    moves.PutQuarantine: facts.put_quarantine,
    moves.PutSetting: facts.put_setting,
    moves.PutUser: facts.put_user,
    moves.Reconcile: recovery.reconcile_all,
    moves.Record: facts.record,
    moves.Retarget: offer.retarget,
    moves.SendCopy: holds.send_copy,
    moves.TakeBack: offer.take_back,
    moves.Declare: recovery.declare,
    moves.TransferStuck: offer.transfer_stuck,
}


def numbers_wanted(move: moves.Move) -> int:
    """How many rows of our own journal a move may write: a tombstone, a FIN, a DEL. One not used is a gap."""
    kind = type(move)
    if kind is moves.Receive:
        return 2 if move.copy.custody == "SETTLED" else 1  # type: ignore[union-attr]
    if kind is moves.Judge:
        return 1 if move.copies and move.copies[0].custody == "SETTLED" else 0  # type: ignore[union-attr]
    if kind is moves.TransfersAnswered:
        return sum(offer.may_end_release(move.role, answer) for answer in move.answers)  # type: ignore[union-attr]
    if kind is moves.Declare:
        return len(move.rows)  # type: ignore[union-attr]
    if kind is moves.Adopt:
        return 1 + len(move.shown)  # type: ignore[union-attr]
    if kind is moves.TakeBack:
        return 1 if move.outcomes else 0  # type: ignore[union-attr]
    return 1 if kind in _NUMBERED else 0


_NUMBERED = frozenset((moves.Cancel, moves.EndDoubt, moves.ExitHold, moves.Reconcile, moves.Settle))


def bodies_of(move: moves.Move) -> Sequence[Extent]:
    """The bodies that a move's new rows name."""
    kind = type(move)
    if kind is moves.Receive:
        return (move.copy.extent,)  # type: ignore[union-attr]
    if kind is moves.Accept or kind is moves.Judge:
        return [copy.extent for copy in move.copies]  # type: ignore[union-attr]
    if kind is moves.Settle or kind is moves.TakeBack:
        return [copy.extent for copy in move.spawned]  # type: ignore[union-attr]
    return ()
