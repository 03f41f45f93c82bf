"""What the two CPQ machines can say.

Server: units are numbered as they come; each unit event is answered with `core.answer(unit, verdict)` in any order
and at any time (the core puts replies on the wire in unit order). StartTls and HelloGiven are answered at once by
their own calls, and nothing is read meanwhile.
"""

from pratique.mail.values import value
from pratique.transfer.messages import Group, Hello, HelloReply, Row, Verdict


# --- server core -----------------------------------------------------------------------------------------------
@value
class StartTls:
    """220 is queued; the edge starts TLS with the very next octets, then calls `tls_started(enrolled=...)`."""


@value
class SecureEhlo:
    """EHLO inside TLS was answered (the instant against which the peer's memory is compared, cpq.md §2). Told."""


@value
class HelloGiven:
    """Answer with `answer_hello(reply)`, after the nonce is durable; nothing is read until then."""

    hello: Hello


@value
class GroupBegun:
    """MAIL was read: unit `unit` has begun. Told; `size` is the declared size of the body."""

    unit: int
    xid: str
    size: int


@value
class BodyChunk:
    """Octets of the body of `unit`. Told. Not emitted for a group that already has a fault."""

    unit: int
    data: bytes


@value
class GroupEnded:
    """The group is complete and true to its digests. Asks for a verdict."""

    unit: int
    group: Group


@value
class GroupRefused:
    """The core itself refused the group and has queued the verdict; what was stored of its body is garbage. Told."""

    unit: int
    xid: str  # "-" when unreadable
    verdict: Verdict


@value
class CancelGiven:
    """Asks for a verdict: XQCANC or XQACC."""

    unit: int
    xid: str
    seal: str


@value
class ConfirmGiven:
    """Answer with `answer_confirmed(unit)`."""

    unit: int
    seq: int


@value
class JournalGiven:
    """Answer with `answer_journal(unit, applied, gap=...)`."""

    unit: int
    after: int
    last: int
    rows: tuple[Row, ...]


@value
class ShowGiven:
    """Answer with `answer_show(unit, row)`: our own row of that transfer, None when we know nothing of it."""

    unit: int
    xid: str


@value
class StatGiven:
    """Answer with `answer_stat(unit, reply)`."""

    unit: int
    members: tuple[str, ...]


@value
class ServerEnded:
    """No more input will be read; send what is left and close. `keyword` names a framing fault, else "".
    Units without an answer stay unanswered: the peer will send them again."""

    clean: bool
    reason: str = ""


ServerEvent = (
    StartTls
    | SecureEhlo
    | HelloGiven
    | GroupBegun
    | BodyChunk
    | GroupEnded
    | GroupRefused
    | CancelGiven
    | ConfirmGiven
    | JournalGiven
    | ShowGiven
    | StatGiven
    | ServerEnded
)


# --- client core -----------------------------------------------------------------------------------------------
@value
class TlsWanted:
    """The server answered 220 to STARTTLS and nothing followed it: start TLS, then call `tls_started()`."""


@value
class Secure:
    """The EHLO reply inside TLS came and lists XCPQ 1: only now is the peer's acceptance of our certificate known.
    Call `hello(...)` next."""


@value
class HelloAnswered:
    reply: HelloReply


@value
class UnitAnswered:
    """The deciding reply of the oldest unanswered unit. `token` is what send_* was given."""

    token: object
    xid: str
    verdict: Verdict


@value
class StatAnswered:
    reply: HelloReply


@value
class ClientEnded:
    """The session is over. Every unit not answered is in doubt. `keyword` is XQFRAME, XQFENCED, XQCLOSING,
    XQNOTENROLLED ... when the server named one; `refused` is true when the end means refusal (back-off 60 s)."""

    reason: str
    keyword: str = ""
    refused: bool = False


ClientEvent = TlsWanted | Secure | HelloAnswered | UnitAnswered | StatAnswered | ClientEnded
