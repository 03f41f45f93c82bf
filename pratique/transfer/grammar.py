"""The grammar of CPQ's lines, as regular expressions under their ABNF (docs/cpq.md, "Grammar").

It decides only whether a line is well formed and takes it apart. What a line means, and when it may be said, is
decided in `server` and `group`. Verbs and keywords are upper case exactly; parameters of MAIL stand in one order.
A line that no LOOSE pattern matches has lost the framing; one that only the loose pattern matches is a fault of its
group.
"""

import re
from functools import lru_cache

from pratique.mail.address import parse_path

COMMAND_LINE_MAX = 2_048  # octets with CRLF; RFC 5321 §4.5.3.1.4 allows more for extensions, each bounds a buffer
REPLY_LINE_MAX = 1_024  # octets with CRLF; bounds the client's buffer
NUMBER_MAX = 2**63 - 1  # what every store can hold; the grammar's 19 digits would allow a little more
SERIAL_CHARS = 20

_NUM = rb"0|[1-9][0-9]{0,18}"
_XID = rb"[0-9a-f]{32}\.[1-9][0-9]{0,2}"
_HEX64 = rb"[0-9a-f]{64}"
_SERIAL = rb"[0-9A-Za-z]{20}"
_KV = rb"[A-Z0-9]{1,12}=[\x21-\x7e]{0,1000}"
_XTEXT = rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})"  # RFC 3461 §4
_QUOTED = rb'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*"'
_PATH = rb"(<(?:[^\x00-\x20\x7f<>\"\\]|" + _QUOTED + rb")*>)"
_LOOSE_PARAMETERS = rb"(?: [\x21-\x7e\x80-\xff]+)*\Z"

MAIL = re.compile(
    rb"MAIL FROM:"
    + _PATH
    + rb"( BODY=8BITMIME)?( SMTPUTF8)? SIZE=("
    + _NUM
    + rb")(?: RET=(FULL|HDRS))?(?: ENVID=("
    + _XTEXT
    + rb"{1,100}))? XQXID=("
    + _XID
    + rb") XQSHA256=("
    + _HEX64
    + rb") XQSEQ=("
    + _NUM
    + rb")\Z"
)
MAIL_LOOSE = re.compile(rb"MAIL FROM:" + _PATH + _LOOSE_PARAMETERS)
MAIL_XID = re.compile(rb" XQXID=(" + _XID + rb")(?: |\Z)")
RCPT = re.compile(
    rb"RCPT TO:"
    + _PATH
    + rb"(?: NOTIFY=(NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}))?"
    + rb"(?: ORCPT=([!#$%&'*/?^_`{|}~A-Za-z0-9-]{1,500};(?:"
    + _XTEXT
    + rb"|[\x80-\xff]){1,2000}))?\Z"  # UTF-8 is for SMTPUTF8 groups only, RFC 6533 §3
)
RCPT_LOOSE = re.compile(rb"RCPT TO:" + _PATH + _LOOSE_PARAMETERS)
META = re.compile(rb"XQMETA ([0-9]{1,2}) (" + _NUM + rb") (" + _HEX64 + rb")\Z")
BDAT = re.compile(rb"BDAT (" + _NUM + rb")( LAST)?\Z")
CANCEL = re.compile(rb"XQCANCEL (" + _XID + rb") (" + _HEX64 + rb")\Z")
SHOW = re.compile(rb"XQSHOW (" + _XID + rb")\Z")
CONFIRM = re.compile(rb"XQCONFIRM (" + _NUM + rb")\Z")
JOURNAL = re.compile(rb"XQJRNL (" + _NUM + rb") (" + _NUM + rb") (" + _NUM + rb") (" + _HEX64 + rb")\Z")
STAT = re.compile(rb"XQSTAT(?: MEMBERS=(" + _SERIAL + rb"(?:," + _SERIAL + rb")*))?\Z")
HELLO = re.compile(rb"XQHELLO((?: " + _KV + rb")+)\Z")
EHLO = re.compile(rb"EHLO [\x21-\x7e]{1,255}\Z")
NOOP = re.compile(rb"NOOP\Z")
COMMAND = re.compile(rb"[A-Za-z][A-Za-z0-9]{0,19}(?: [\x20-\x7e\x80-\xff]*)?\Z")  # anything that looks like one
ROW = re.compile(
    rb"("
    + _NUM
    + rb") (X|DONE|LOC|ACC|CANC|HELD|REL|RELD|DEL|FIN|CLOSED|DOUBT) ("
    + _XID
    + rb") ("
    + _HEX64
    + rb"|-) ("
    + _NUM
    + rb")((?: "
    + _KV
    + rb")*)\Z"
)
REPLY = re.compile(rb"([2-5][0-9]{2})([ -])((?:[245]\.[0-9]{1,3}\.[0-9]{1,3})?) ?([\x20-\x7e]*)\Z")


class FramingLost(Exception):
    """The stream can no longer be followed. `why` is short and goes to the peer."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def parsed(pattern: re.Pattern[bytes], line: bytes) -> re.Match[bytes]:
    """The match; FramingLost when the line is not what its verb demands."""
    match = pattern.match(line)
    if match is None:
        # Never the line itself: what the peer sent is not sent back.
        raise FramingLost("a command does not parse")
    return match


def verb_of(line: bytes) -> bytes:
    return line.partition(b" ")[0]


def number(digits: bytes) -> int:
    """The value of a `num`; ValueError over NUMBER_MAX."""
    value = int(digits)
    if value > NUMBER_MAX:
        raise ValueError("number too large")
    return value


@lru_cache(maxsize=4096)
def address(octets: bytes, *, utf8: bool, null_allowed: bool) -> str:
    """The address of a path, "<...>", without its brackets; ValueError when it is none, holds a source route, or is
    8-bit without SMTPUTF8. Cached: the recipients of a site are few and come again and again."""
    return parse_path(octets.decode("utf-8" if utf8 else "ascii"), utf8=utf8, null_allowed=null_allowed)
