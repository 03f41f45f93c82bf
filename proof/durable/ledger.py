"""What was said to the outside, and what it obliges to. Pure: it judges what others read from disks.

A *token* is one attempt to hand a message over, and the subject; each is sent once. Its answer obliges:
250 to exactly one message with an end that fits, 4xx to none, and a connection that broke to one at the most.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class End(StrEnum):
    """Where a message is to be when all is quiet."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    HELD = "held"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Promise:
    token: str
    answer: str  # the deciding reply, "" = the connection broke before it
    end: End
    octets: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What is there, by token: the gateway's messages (their ids), what the manager holds, what was delivered."""

    accepted: dict[str, list[str]]
    managed: dict[str, list[str]]  # custody of the manager's copies
    custody: dict[str, list[str]]  # of the gateway's copies
    delivered: dict[str, list[bool]]  # of each message that arrived: does it name itself a possible duplicate?
    notices: dict[str, list[bool]]  # bounces about the token, in the same way
    changed: list[str]  # tokens that arrived, or lie in a store, with other octets


@dataclass(slots=True)
class Verdict:
    lost: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    named: int = 0  # duplicates at the border that named themselves, as they must

    @property
    def good(self) -> bool:
        return not (self.lost or self.phantom or self.doubled or self.changed or self.other)

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def judge(promises: list[Promise], found: Found) -> Verdict:
    verdict = Verdict(changed=list(found.changed))
    known = {promise.token for promise in promises}
    for strange in (found.accepted.keys() | found.delivered.keys() | found.managed.keys()) - known:
        verdict.phantom.append(strange)
    for promise in promises:
        _judge_one(promise, found, verdict)
    return verdict


def _judge_one(promise: Promise, found: Found, verdict: Verdict) -> None:
    token, answer = promise.token, promise.answer
    ids = set(found.accepted.get(token, ()))
    if answer.startswith("250"):
        if not ids:
            verdict.lost.append(token)
            return
    elif answer.startswith("4"):
        if ids or found.delivered.get(token):
            verdict.phantom.append(f"{token} ({answer})")
        return
    elif answer:
        verdict.other.append(f"{token} was answered {answer}: only 250 and 4xx are right")
        return
    if len(ids) > 1:
        verdict.doubled.append(token)
    elif ids:
        _judge_end(promise, found, verdict)


def _judge_end(promise: Promise, found: Found, verdict: Verdict) -> None:
    token = promise.token
    arrived, notices = found.delivered.get(token, []), found.notices.get(token, [])
    managed, end = Counter(found.managed.get(token, ())), promise.end
    wanted = {End.DELIVERED: (1, 0), End.BOUNCED: (0, 1), End.HELD: (0, 0), End.DELETED: (0, 0)}[end]
    for what, seen, count in (("delivered", arrived, wanted[0]), ("bounced", notices, wanted[1])):
        unnamed = seen.count(False)
        if len(seen) < count:
            verdict.lost.append(f"{token}: not {what}")
        elif unnamed > count or (seen and not count):
            verdict.doubled.append(f"{token}: {what} {len(seen)} times, {unnamed} of them without the mark")
        else:
            verdict.named += len(seen) - count
    if managed.total() > 1:
        verdict.doubled.append(f"{token}: {managed.total()} copies at the manager")
    if end is End.HELD and not managed["HELD"]:
        verdict.lost.append(f"{token}: not held ({found.custody.get(token)}, {dict(managed)})")
    if end is End.DELETED and not managed["DEL"]:
        verdict.other.append(f"{token}: deleted by an actor, but it is {dict(managed)}")
    if end is not End.HELD and managed["HELD"]:
        verdict.other.append(f"{token}: still held")
