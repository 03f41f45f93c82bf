"""The replies that decide a unit, as octets and back (docs/cpq.md, section 7).

One table says which keyword may decide which verb and with which codes; what is not in it comes from a broken peer.
The plain replies carry no keyword and mean nothing for custody.
"""

from pratique.transfer.grammar import REPLY
from pratique.transfer.journal import decode_row, encode_row
from pratique.transfer.messages import Keyword, Row, Verdict

PLAIN_MAIL = b"250 2.1.0\r\n"
PLAIN_RCPT = b"250 2.1.5\r\n"
PLAIN_DATA = b"250 2.0.0\r\n"  # XQMETA and every BDAT chunk but the last
GROUP_SPOILT = b"503 5.5.1 XQGROUP\r\n"
NEED_TLS = b"530 5.7.0 XQTLS\r\n"
UNKNOWN_VERB = b"502 5.5.1\r\n"
GOODBYE = b"221 2.0.0\r\n"
OK = b"250 2.0.0 XQOK\r\n"
READY_FOR_TLS = b"220 2.0.0\r\n"
NOT_ENROLLED = b"550 5.7.1 XQNOTENROLLED\r\n"
BAD_HELLO = b"555 5.5.4 XQPARAM -\r\n"
CONFIRMED = b"250 2.0.0 XQCONFIRMED\r\n"

_K = Keyword
CODES: dict[Keyword, tuple[int, str]] = {
    _K.ACC: (250, "2.0.0"),
    _K.CANC: (250, "2.0.0"),
    _K.CANCELLED: (554, "5.7.0"),
    _K.SUSPENDED_QUARANTINE: (450, "4.2.1"),
    _K.STORE: (451, "4.3.0"),
    _K.RECON: (451, "4.3.0"),
    _K.SUSPENDED: (451, "4.3.2"),
    _K.FULL: (452, "4.3.1"),
    _K.VERSION: (451, "4.3.3"),
    _K.RECIPIENTS: (452, "4.5.3"),
    _K.TOO_BIG: (552, "5.3.4"),
    _K.DIGEST: (554, "5.6.0"),
    _K.BARE: (554, "5.6.0"),
    _K.META_BAD: (554, "5.6.0"),
    _K.PARAMETER: (555, "5.5.4"),
    _K.NO_RECIPIENT: (554, "5.5.1"),
    _K.CONFLICT: (554, "5.7.0"),
    _K.DENIED: (550, "5.7.1"),
    _K.JACK: (250, "2.0.0"),
    _K.GAP: (451, "4.5.0"),
    _K.CONFIRMED: (250, "2.0.0"),
    _K.SHOWN: (250, "2.0.0"),
    _K.CLOSING: (421, "4.3.2"),
    _K.FENCED: (421, "4.3.2"),
    _K.FRAME: (500, "5.5.2"),
}
_NOT_NOW = {_K.STORE, _K.RECON, _K.SUSPENDED, _K.PARAMETER, _K.DENIED}
GROUP = frozenset(CODES) - {
    _K.CANC,
    _K.JACK,
    _K.GAP,
    _K.CONFIRMED,
    _K.SHOWN,
    _K.CLOSING,
    _K.FENCED,
    _K.FRAME,
}
CANCEL = frozenset(_NOT_NOW | {_K.ACC, _K.CANC, _K.CONFLICT})
CONFIRM = frozenset(_NOT_NOW | {_K.CONFIRMED})
JOURNAL = frozenset(_NOT_NOW | {_K.JACK, _K.GAP, _K.DIGEST})
SHOW = frozenset(_NOT_NOW | {_K.SHOWN})
_WITHOUT_ID = frozenset({_K.CONFIRMED})
_WORDS = {_K.ACC: 2, _K.CANC: 2, _K.JACK: 1, _K.GAP: 1}  # numbers that must follow the id


def encode_verdict(verdict: Verdict, xid: str) -> bytes:
    """`code enhanced keyword id words`, one line; the id stands directly behind the keyword."""
    if verdict.words:
        return f"{verdict.code} {verdict.enhanced} {verdict.keyword} {xid} {' '.join(verdict.words)}\r\n".encode()
    return f"{verdict.code} {verdict.enhanced} {verdict.keyword} {xid}\r\n".encode()


def journal_taken(applied: int, *, gap: bool) -> bytes:
    if gap:
        return f"451 4.5.0 {Keyword.GAP.value} - {applied}\r\n".encode("ascii")
    return f"250 2.0.0 {Keyword.JACK.value} - {applied}\r\n".encode("ascii")


def shown(xid: str, row: Row | None) -> bytes:
    words = "NONE" if row is None else encode_row(row).decode("ascii")
    return f"250 2.0.0 {Keyword.SHOWN.value} {xid} {words}\r\n".encode("ascii")


def row_shown(xid: str, verdict: Verdict) -> Row | None:
    """The row of a reply XQSHOWN; None: the peer knows nothing of the transfer. ValueError when it is no such row."""
    if verdict.words == ("NONE",):
        return None
    row = decode_row(" ".join(verdict.words).encode("ascii"))
    if row.xid != xid:
        raise ValueError("a row of another transfer")
    return row


def decode_verdict(line: bytes, *, allowed: frozenset[Keyword]) -> tuple[str, Verdict]:
    """(id, verdict) of a deciding reply without its CRLF; ValueError when no honest server would say it here."""
    match = REPLY.match(line)
    if match is None or match.group(2) != b" ":
        raise ValueError("not one reply line")
    code, enhanced = int(match.group(1)), match.group(3).decode()
    words = match.group(4).decode().split(" ")
    try:
        keyword = Keyword(words[0])
    except ValueError:
        raise ValueError("a deciding reply without a known keyword") from None
    if keyword not in allowed:
        raise ValueError(f"{keyword.value} does not decide this command")
    if (code, enhanced) != CODES[keyword]:
        raise ValueError(f"{keyword.value} with the codes of something else")
    if keyword in _WITHOUT_ID:
        return "-", Verdict(code, enhanced, keyword, tuple(words[1:]))
    if len(words) < 2:
        raise ValueError(f"{keyword.value} without an id")
    rest = tuple(words[2:])
    wanted = _WORDS.get(keyword, 0)
    if len(rest) < wanted or not all(word.isdigit() and len(word) <= 19 for word in rest[:wanted]):
        raise ValueError(f"{keyword.value} without its numbers")
    return words[1], Verdict(code, enhanced, keyword, rest)


def named_end(line: bytes) -> tuple[str, str] | None:
    """(keyword or "", text) when the line says that the server ends the session: 421, or 500 XQFRAME."""
    match = REPLY.match(line)
    if match is None or match.group(1) not in (b"421", b"500"):
        return None
    text = match.group(4).decode()
    word = text.split(" ")[0]
    return (word if word.startswith("XQ") else ""), f"{match.group(1).decode()} {text}"
