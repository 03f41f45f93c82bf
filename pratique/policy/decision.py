"""What policy decides, per group of recipients, and why. The gateway acts on it; nothing here acts."""

from pratique.mail.values import value


@value
class QuarantineWish:
    name: str
    kind: str  # policy, virus, outbreak, unclassified
    reasons: tuple[str, ...]  # texts for the log's parentheses, e.g. "message filter:hold_exe"
    matched: tuple[tuple[str, str], ...] = ()  # (part, text)
    retention_s: int = 0  # 0 = the quarantine's own (outbreak: the policy's)
    outbreak_id: str = ""
    outbreak_level: int = 0


@value
class HeaderChange:
    op: str  # add-header, remove-header, subject-prepend, subject-append, subject-set
    name: str
    value: str
    by: str


@value
class Disposition:
    """For these recipients: drop, bounce, or pass on; pass on goes to the quarantines if there are any, else to
    delivery."""

    recipients: tuple[int, ...]  # indices into the envelope
    policy: str  # name of the mail policy that matched
    outcome: str  # deliver, drop, bounce
    by: str = ""  # what ordered a drop or bounce: "message filter 'x'"
    quarantines: tuple[QuarantineWish, ...] = ()
    duplicates: tuple[QuarantineWish, ...] = ()  # a copy goes there, the original goes on
    changes: tuple[HeaderChange, ...] = ()
    log_entries: tuple[str, ...] = ()  # texts of log-entry actions
    explanation: tuple[str, ...] = ()  # the path that led here, one short line each


@value
class Decision:
    dispositions: tuple[Disposition, ...]  # every recipient is in exactly one
