"""The values that both ends of CPQ exchange: hello, group, verdict, row. Source: docs/cpq.md."""

from dataclasses import field
from enum import StrEnum

from pratique.mail.envelope import Envelope
from pratique.mail.values import value


class Keyword(StrEnum):
    """The keyword that stands behind the enhanced code of a CPQ reply (cpq.md §7)."""

    __hash__ = str.__hash__  # equal texts have equal hashes; and it is made in C, not by Enum

    READY = "XQREADY"
    SUSPENDED = "XQSUSPENDED"
    RECON = "XQRECON"
    ROLLED = "XQROLLED"
    FENCED = "XQFENCED"
    NOT_ENROLLED = "XQNOTENROLLED"
    DENIED = "XQDENIED"
    VERSION = "XQVERSION"
    ACC = "XQACC"
    CANC = "XQCANC"
    CANCELLED = "XQCANCELLED"
    SUSPENDED_QUARANTINE = "XQSUSPQ"
    STORE = "XQSTORE"
    FULL = "XQFULL"
    RECIPIENTS = "XQRCPTS"
    TOO_BIG = "XQTOOBIG"
    DIGEST = "XQDIGEST"
    BARE = "XQBARE"
    META_BAD = "XQMETABAD"
    PARAMETER = "XQPARAM"
    NO_RECIPIENT = "XQNORCPT"
    CONFLICT = "XQCONFLICT"
    CLOSING = "XQCLOSING"
    FRAME = "XQFRAME"
    GROUP = "XQGROUP"
    CONFIRMED = "XQCONFIRMED"
    JACK = "XQJACK"
    GAP = "XQGAP"
    OK = "XQOK"
    TLS = "XQTLS"
    SHOWN = "XQSHOWN"


@value
class Hello:
    """XQHELLO (cpq.md §2): who I am, and the highest (incarnation, number) that I know of myself and of you."""

    serial: str
    nonce: str
    inc: int
    seq: int
    peer_inc: int
    peer_seq: int
    at_ms: int
    endpoint: str = ""  # "address:port" where I take what you offer, "" = not said
    capabilities: tuple[str, ...] = ()
    versions: str = "1"  # "1" or "1-2"
    old: tuple[int, int] | None = None  # I was set back to this incarnation and number and have not recovered
    rolled: bool = False  # you were set back, as far as I know, and have not recovered
    next: bytes = b""  # the certificate (DER) that I will show in place of the present one
    trusts: str = ""  # fingerprint of the next one of yours that I believe
    told: tuple[int, int, int] | None = None  # what you lost above (inc, seq) is in my rows up to this number


@value
class Limits:
    """XQLIMIT: what the server takes. Each bounds memory or time of one session."""

    window: int = 256  # unanswered units
    window_bytes: int = 33_554_432  # unanswered octets; one larger group may go alone
    message_bytes: int = 104_857_600
    metadata_bytes: int = 65_536
    recipients: int = 1000
    sessions: int = 8  # per peer


@value
class HelloReply:
    """The whole answer to XQHELLO and XQSTAT."""

    keyword: Keyword  # READY, SUSPENDED, RECON, ROLLED, FENCED, NOT_ENROLLED, DENIED, VERSION
    me: Hello  # XQSELF
    limits: Limits = field(default_factory=Limits)
    why: str = ""  # SUSPENDED: offline, transfers, service, uncommitted, full
    free_bytes: int = 0
    level: str = "OK"  # OK, LOW, FULL
    suspended_quarantines: tuple[str, ...] = ()
    watermark: int = 0
    journal_in: int = 0
    journal_out: int = 0
    audit_head: str = "-"  # hex or "-"
    checks: tuple[tuple[str, str, str], ...] = ()  # XQSTAT: (name, YES/NO/UNKNOWN, cure)


@value
class Group:
    """One message group as the server read it, checked: digest, size, seal and grammar are right."""

    xid: str
    envelope: Envelope
    size: int
    sha256: str
    seq: int  # XQSEQ
    seal: str
    metadata: bytes  # the octets, as received
    command_octets: bytes  # the MAIL and RCPT lines, as received


@value
class SealedGroup:
    """One group ready to be sent: what is stored with the intent, and sent again octet for octet."""

    xid: str
    command_octets: bytes  # MAIL and RCPT lines with CRLF
    metadata: bytes
    seal: str
    size: int  # of the body


@value
class Row:
    """One journal row (cpq.md §3 `row`, §6): a party's latest state of one transfer."""

    seq: int
    state: str  # X DONE LOC ACC CANC HELD REL RELD DEL FIN CLOSED DOUBT
    xid: str
    seal: str  # hex64 or "-"
    at_ms: int
    pairs: tuple[tuple[str, str], ...] = ()


@value
class Verdict:
    """The reply that decides a unit. `words` follow keyword and id."""

    code: int
    enhanced: str
    keyword: Keyword
    words: tuple[str, ...] = ()

    @property
    def moves_custody(self) -> bool:
        """Only these end the sender's doubt (cpq.md §0.4)."""
        return self.keyword in (Keyword.ACC, Keyword.CANC, Keyword.CANCELLED)


V_STORE = Verdict(451, "4.3.0", Keyword.STORE)
V_RECON = Verdict(451, "4.3.0", Keyword.RECON)
V_SUSPENDED = Verdict(451, "4.3.2", Keyword.SUSPENDED)
V_FULL = Verdict(452, "4.3.1", Keyword.FULL)
V_SUSPENDED_QUARANTINE = Verdict(450, "4.2.1", Keyword.SUSPENDED_QUARANTINE)
V_CONFLICT = Verdict(554, "5.7.0", Keyword.CONFLICT)
V_CANCELLED = Verdict(554, "5.7.0", Keyword.CANCELLED)
V_DENIED = Verdict(550, "5.7.1", Keyword.DENIED)
V_META_BAD = Verdict(554, "5.6.0", Keyword.META_BAD)
V_VERSION = Verdict(451, "4.3.3", Keyword.VERSION)
V_RECIPIENTS = Verdict(452, "4.5.3", Keyword.RECIPIENTS)
V_TOO_BIG = Verdict(552, "5.3.4", Keyword.TOO_BIG)
V_DIGEST = Verdict(554, "5.6.0", Keyword.DIGEST)
V_BARE = Verdict(554, "5.6.0", Keyword.BARE)
V_PARAMETER = Verdict(555, "5.5.4", Keyword.PARAMETER)
V_NO_RECIPIENT = Verdict(554, "5.5.1", Keyword.NO_RECIPIENT)
V_FENCED = Verdict(421, "4.3.2", Keyword.FENCED)
V_CLOSING = Verdict(421, "4.3.2", Keyword.CLOSING)


def accepted(inc: int, seq: int) -> Verdict:
    """250 XQACC <xid> <inc> <seq>: the tombstone ACC is durable."""
    return Verdict(250, "2.0.0", Keyword.ACC, (str(inc), str(seq)))


def cancelled(inc: int, seq: int) -> Verdict:
    """250 XQCANC <xid> <inc> <seq>: the tombstone CANC is durable."""
    return Verdict(250, "2.0.0", Keyword.CANC, (str(inc), str(seq)))
