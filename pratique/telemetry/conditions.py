"""What an event of the mail log says is wrong, as a name: alerts, their repeats and their ends go by it.

An event names its condition and, where there may be several at once, the subject: a peer's serial, a component. Two
events with the same condition and subject are the same trouble. What is done about each is runner/alerts/conditions.py.
"""

from enum import StrEnum


class Condition(StrEnum):
    NONE = ""  # the event is about nothing that lasts or that anybody is told of
    FAULT = "fault"  # a part of this program failed
    STORE = "store"  # the store refused or failed
    UNCLEAN = "unclean"  # the last run ended without a stop
    COMPONENT = "component"  # a part that was restarted; subject: its name
    DISK = "disk"  # below the reserve
    POOL = "pool"  # the quarantines fill
    POOL_FULL = "pool-full"
    CORRUPT = "corrupt"  # a body is not what was accepted
    REFUSED = "refused"  # a transfer that a peer, or we, will not take
    CONFLICT = "conflict"  # two messages under one id
    OURS_AGAIN = "ours-again"  # the manager did not take it
    STUCK_RELEASE = "stuck-release"  # released, and no gateway takes it
    DOUBT = "doubt"  # nobody can know whether it was delivered
    NO_MANAGER = "no-manager"  # mail must be held and there is nowhere to
    LOCKED = "locked"  # subject: the peer
    SET_BACK = "set-back"  # subject: the peer, or "" = this appliance
    LINK = "link"  # a link is refused or down for long; subject: the peer
    CLOCK = "clock"  # subject: the peer, or "" = our own
    SUSPENDED = "suspended"  # an operator suspended something
    WORK_QUEUE = "work-queue"  # an operator paused judging
    CLUSTER = "cluster"  # settings that are not in force here, or were changed apart; subject: which
    CERTIFICATE = "certificate"  # near its end; subject: which
    VIRUS_ENGINE = "virus-engine"  # gives no verdicts; subject: its name
    CANARY = "canary"  # did not come back
    AUDIT = "audit"  # the chain is broken
    TEST = "test"  # somebody asked for it
    OTHER = "other"  # an alarm that names no condition
