"""The product with one safeguard removed at a time. A simulation that does not notice proves nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from pratique.delivery import custody
from pratique.delivery.custody import NOTHING, Answer, Event, GatewayCopy, on_cancel
from pratique.gateway.judging import Judging, accepted_reply
from pratique.manager import release
from pratique.quarantine.lifecycle import Exit, Mark
from pratique.runner import outcomes
from pratique.runner.delivery_session import DeliverySession
from pratique.runner.link import Link
from pratique.runner.reactions import REACTIONS, React, Reaction
from pratique.store.memory import offer
from pratique.store.memory.apply import APPLY
from pratique.store.moves import Cancel, Intend, Received
from pratique.transfer.messages import Keyword
from tests.sim.plans import TIMED, Plan


@dataclass(frozen=True)
class Mutant:
    """`caught_by`: the rules that may notice. `plan`: makes the circumstances likely in which it does harm."""

    says: str
    inject: Callable[[], AbstractContextManager[Any]]
    caught_by: tuple[str, ...]
    plan: Callable[[Plan], Plan] = lambda plan: plan


def _weights(**changed: Any) -> Callable[[Plan], Plan]:
    """Timed faults of the named kinds alone ("small_limit" is "small limit"), and other parts of the plan."""
    kinds = changed.pop("kinds")
    return lambda plan: replace(plan, weights={kind: TIMED[kind] for kind in kinds}, **changed)


@contextmanager
def _ack_before_commit() -> Iterator[None]:
    real = Judging._accept

    def accept(self: Any, reception: Any, judged: Any, answer: Any) -> None:
        answer(reception.mid, accepted_reply(reception.mid))
        real(self, reception, judged, lambda mid, reply: None)

    with mock.patch.object(Judging, "_accept", accept):
        yield


def _cancel_without_tombstone() -> Any:
    def cancel(tx: Any, move: Cancel) -> Received:
        tomb = tx.rows.tombs.get((move.cid, move.hop))
        answer = on_cancel(tomb.remembered if tomb else NOTHING, move.seal, move.peer)
        if answer is Answer.COMMIT_CANC or tomb is None:
            return Received(Answer.COMMIT_CANC, tx.inc, tx.number())
        return Received(answer, tomb.inc, tomb.seq)

    return mock.patch.dict(APPLY, {Cancel: cancel})


@contextmanager
def _no_intent() -> Iterator[None]:
    with (
        mock.patch.dict(APPLY, {Intend: lambda tx, move: None}),
        mock.patch.object(Link, "_in_doubt", lambda self, item: True),
    ):
        yield


@contextmanager
def _any_release() -> Iterator[None]:
    def exit_of(marks: Any) -> Exit:
        marks = tuple(marks)
        if Mark.RELEASED in marks:
            return Exit.RELEASE
        return Exit.NONE if Mark.HELD in marks else Exit.DELETE

    with mock.patch.object(release, "exit_of", exit_of), mock.patch.object(offer, "exit_of", exit_of):
        yield


@contextmanager
def _dot_without_intent() -> Iterator[None]:
    feed = DeliverySession._feed

    def without(self: Any) -> None:
        if self._job is not None:
            self._job.in_dot = True  # as if it were durable already
        feed(self)

    with mock.patch.object(DeliverySession, "_feed", without):
        yield


def _refusal_taken_for_acceptance() -> Any:
    taken = Reaction(React.MOVE, Event.ACC)
    return mock.patch.dict(REACTIONS, {Keyword.STORE: taken, Keyword.FULL: taken})


def _cancelled_taken_for_done() -> Any:
    return mock.patch.dict(custody.GATEWAY, {(GatewayCopy.IN_DOUBT, Event.CANC): GatewayCopy.DONE})


def _doubt_forgotten() -> Any:
    return mock.patch.object(outcomes, "_in_doubt", lambda job, answer: False)


DISKS = ("crash", "fatal", "unknown commit", "commit full")

MUTANTS = {
    "ack before commit": Mutant(
        "250 is said when the commit is only under way.",
        _ack_before_commit,
        ("G1", "G2", "I2"),
        _weights(kinds=DISKS),
    ),
    "no tombstone on cancel": Mutant(
        "The receiver of a cancel does not remember it, so a late group is taken.",
        _cancel_without_tombstone,
        ("I4",),
        _weights(kinds=("small limit",), faults=0, cut=0.5, zombie=0.9, spite=0.8, span=900.0, messages=60),
    ),
    "no intent": Mutant(
        "A transfer is sent while the disk says that it never was.",
        _no_intent,
        ("I14", "G2", "exception"),
        _weights(kinds=("outage", "partition"), faults=6, steps_max=40_000),
    ),
    "any release delivers": Mutant(
        "A message in two quarantines leaves when one of them lets it go.", _any_release, ("G3",)
    ),
    "dot without intent": Mutant("The end of a message goes out, and no row says so.", _dot_without_intent, ("G5",)),
    "refusal taken for acceptance": Mutant(
        "The manager's disk is full, and the gateway believes that it has the message.",
        _refusal_taken_for_acceptance,
        ("G2", "I14"),
        _weights(kinds=("commit full", "disk full"), faults=12),
    ),
    "cancelled taken for done": Mutant(
        "The manager will never take it, and the gateway believes that it has it.",
        _cancelled_taken_for_done,
        ("G2",),
        _weights(kinds=("small limit",), faults=12, span=900.0),
    ),
    "doubt forgotten": Mutant(
        "The second delivery after a lost answer does not say that it may be one.",
        _doubt_forgotten,
        ("G5",),
        _weights(kinds=("destination",), faults=12, cut=0.4),
    ),
}
