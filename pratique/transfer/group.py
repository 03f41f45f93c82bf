"""One message group while it is read: MAIL, RCPT, XQMETA, BDAT … LAST (docs/cpq.md, "The message group").

It checks the group against itself (grammar, sizes, digests, limits) and remembers its first fault, which becomes the
verdict. It neither keeps the body nor judges what the group is for. Framing is lost by raising FramingLost.
"""

import hashlib

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.values import value
from pratique.smtp.data import has_bare_newline
from pratique.transfer import grammar
from pratique.transfer.grammar import FramingLost
from pratique.transfer.messages import (
    V_BARE,
    V_DENIED,
    V_DIGEST,
    V_META_BAD,
    V_NO_RECIPIENT,
    V_PARAMETER,
    V_RECIPIENTS,
    V_TOO_BIG,
    Group,
    Limits,
    Verdict,
)

CHUNKS_MAX = 4_096  # BDAT commands of one group; bounds the replies that wait behind an undecided group
SWALLOWED_RECIPIENTS = 2  # times the limit are read to keep the framing, more is not an honest client


@value
class Mail:
    xid: str
    size: int
    sha256: str
    seq: int
    sender: str
    eight_bit: bool
    smtputf8: bool
    ret: str
    envid: str


def parse_mail(line: bytes) -> Mail | None:
    """None when a parameter is wrong or unknown; FramingLost when the line is not MAIL at all."""
    match = grammar.MAIL.match(line)
    if match is None:
        grammar.parsed(grammar.MAIL_LOOSE, line)
        return None
    path, eight_bit, utf8, size, ret, envid, xid, sha256, seq = match.groups()
    try:
        return Mail(
            xid=xid.decode(),
            size=grammar.number(size),
            sha256=sha256.decode(),
            seq=grammar.number(seq),
            sender=grammar.address(path, utf8=utf8 is not None, null_allowed=True),
            eight_bit=eight_bit is not None,
            smtputf8=utf8 is not None,
            ret=ret.decode() if ret else "",
            envid=envid.decode() if envid else "",
        )
    except ValueError:
        return None


def parse_recipient(line: bytes, *, utf8: bool) -> Recipient | None:
    """None when the address or a parameter is wrong; FramingLost when the line is not RCPT at all."""
    match = grammar.RCPT.match(line)
    if match is None:
        grammar.parsed(grammar.RCPT_LOOSE, line)
        return None
    path, notify, orcpt = match.groups()
    try:
        return Recipient(
            grammar.address(path, utf8=utf8, null_allowed=False),
            notify.decode("ascii") if notify else "",
            orcpt.decode("utf-8" if utf8 else "ascii") if orcpt else "",
        )
    except ValueError:
        return None


class BareOctets:
    """Finds bare CR, bare LF and NUL across chunks. A CR at the end of a chunk is held until the next shows what
    follows."""

    __slots__ = ("_pending_cr",)

    def __init__(self) -> None:
        self._pending_cr = False

    def found_in(self, data: bytes) -> bool:
        if not data:
            return False
        if self._pending_cr:
            data = b"\r" + data
        self._pending_cr = data[-1] == 13
        if self._pending_cr:
            data = data[:-1]
        return has_bare_newline(data) or b"\0" in data

    def found_at_end(self) -> bool:
        return self._pending_cr


class GroupReader:
    """The group that is being read. Each method is one command; it returns nothing and sets `fault` at the first."""

    __slots__ = (
        "_bare",
        "_chunks",
        "_declared",
        "_digest",
        "_limits",
        "_lines",
        "_mail",
        "_metadata",
        "_received",
        "_recipients",
        "_recipients_seen",
        "_seal",
        "fault",
        "has_metadata",
        "unit",
        "xid",
    )

    def __init__(self, *, limits: Limits) -> None:
        self.unit = -1  # given by the order once the MAIL line has been read
        self.xid = "-"
        self.fault: Verdict | None = None
        self.has_metadata = False
        self._limits = limits
        self._mail: Mail | None = None
        self._lines: list[bytes] = []
        self._recipients: list[Recipient] = []
        self._recipients_seen = 0
        self._metadata = b""
        self._seal = ""
        self._digest = hashlib.sha256()
        self._bare = BareOctets()
        self._received = 0
        self._declared = 0
        self._chunks = 0

    @property
    def declared_size(self) -> int:
        assert self._mail is not None
        return self._mail.size

    def mail(self, line: bytes, *, odd_hops: bool, not_now: Verdict | None) -> None:
        mail = parse_mail(line)
        if mail is None:
            found = grammar.MAIL_XID.search(line)
            self.xid = found.group(1).decode() if found else "-"
            self.fault = V_PARAMETER
            return
        self.xid, self._mail = mail.xid, mail
        if (int(mail.xid[33:]) % 2 == 1) is not odd_hops:
            self.fault = V_DENIED
        elif not_now is not None:
            self.fault = not_now
        elif mail.size > self._limits.message_bytes:
            self.fault = V_TOO_BIG
        self._lines.append(line)

    def recipient(self, line: bytes) -> None:
        self._recipients_seen += 1
        if self._recipients_seen > SWALLOWED_RECIPIENTS * self._limits.recipients:
            raise FramingLost("too many RCPT")
        utf8 = self._mail is None or self._mail.smtputf8
        recipient = parse_recipient(line, utf8=utf8)
        if self.fault is not None:
            return
        if recipient is None:
            self.fault = V_PARAMETER
        elif self._recipients_seen > self._limits.recipients:
            self.fault = V_RECIPIENTS
        else:
            self._recipients.append(recipient)
            self._lines.append(line)

    def metadata(self, octets: bytes, *, version: int, seal: str) -> None:
        self.has_metadata = True
        if self.fault is not None:
            return
        if not self._recipients:
            self.fault = V_NO_RECIPIENT
            return
        if version == 0:
            self.fault = V_META_BAD
            return
        self._lines.append(b"")
        commands = b"\r\n".join(self._lines)
        digest = hashlib.sha256(commands)
        digest.update(octets)
        if digest.hexdigest() != seal:
            self.fault = V_DIGEST
            return
        self._lines = [commands]
        self._metadata, self._seal = octets, seal

    def chunk_begins(self, octets: int) -> None:
        self._chunks += 1
        self._declared += octets
        if self._chunks > CHUNKS_MAX:
            raise FramingLost("too many BDAT")
        if self._declared > 2 * self._limits.message_bytes:
            raise FramingLost("over twice the size limit")
        # The chunk that makes the body too long is refused as a whole, before any of it is handed on.
        if self.fault is None and self._declared > self.declared_size:
            self.fault = V_DIGEST

    def body(self, data: bytes) -> bool:
        """Octets of the body; true when they are to be handed on."""
        if self.fault is not None:
            return False
        if self._bare.found_in(data):
            self.fault = V_BARE
            return False
        self._digest.update(data)
        self._received += len(data)
        return True

    def last_chunk_ended(self) -> None:
        if self.fault is not None:
            return
        mail = self._mail
        assert mail is not None
        if self._bare.found_at_end():
            self.fault = V_BARE
        elif self._received != mail.size or self._digest.hexdigest() != mail.sha256:
            self.fault = V_DIGEST

    def finished(self) -> Group:
        """The whole group; only when it has no fault."""
        mail = self._mail
        assert mail is not None and self.fault is None
        return Group(
            xid=mail.xid,
            envelope=Envelope(
                mail.sender, tuple(self._recipients), mail.eight_bit, mail.smtputf8, mail.ret, mail.envid
            ),
            size=mail.size,
            sha256=mail.sha256,
            seq=mail.seq,
            seal=self._seal,
            metadata=self._metadata,
            command_octets=self._lines[0],
        )
