"""Why a message is in a quarantine and why it left, as the texts that stand in the log's parentheses.

`quarantined to "Policy" (message filter:hold_exe)`, `(Outbreak rule:OR-7)`, `(antivirus:EICAR-AV-Test)`. The reference
system's words for filters and outbreak rules are kept (docs/operate/logs.md). For virus, whose token it does not
show, ours is "antivirus:" with the name the engine gave, or with ENCRYPTED or UNSCANNABLE where there is no name.
For the end by a reviewer, unseen as well, it is "manual".
"""

from pratique.quarantine.lifecycle import Cause

REASON_CHARS_MAX = 256  # cpq.md §8

CAUSE_WORDS = {  # the log's parentheses -> what a person reads in tracking
    Cause.MANUAL: "manually released",
    Cause.EXPIRED: "expiration",
    Cause.QUEUE_FULL: "overflow",
    Cause.OUTBREAK: "outbreak update",
}


def message_filter(name: str) -> str:
    return _reason("message filter", name)


def content_filter(name: str) -> str:
    return _reason("content filter", name)


def outbreak_rule(rule_id: str) -> str:
    return _reason("Outbreak rule", rule_id)


def antivirus(verdict: str) -> str:
    """`verdict`: the name of what was found, or ENCRYPTED or UNSCANNABLE."""
    return _reason("antivirus", verdict)


def unknown(why: str) -> str:
    """A fact that a decision hung on could not be found out."""
    return f"unknown: {why}"[:REASON_CHARS_MAX]


def _reason(kind: str, name: str) -> str:
    return f"{kind}:{name}"[:REASON_CHARS_MAX]
