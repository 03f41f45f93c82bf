"""XQHELLO, its reply, and XQSTAT's reply, as octets and back (docs/cpq.md, "Session hello").

Both directions live here because each side reads what the other writes. Unknown keys and unknown lines are ignored, so
that a later version may add some; a key given twice is refused; free text travels as xtext of UTF-8.
"""

import base64
import re

from pratique.mail.address import decode_xtext, encode_xtext
from pratique.transfer.grammar import REPLY_LINE_MAX, number
from pratique.transfer.messages import Hello, HelloReply, Keyword, Limits

VERSION = 1  # what this program speaks
CERTIFICATE_BYTES_MAX = 480  # of NEXT, in DER: with all other keys it fits a reply line; ours has 340
REPLY_LINES_MAX = 1_000  # a manager has at most some hundred suspended quarantines

_REQUIRED = ("V", "SERIAL", "NONCE", "INC", "SEQ", "PINC", "PSEQ", "T")
_VERSIONS = re.compile(r"([1-9][0-9]?)(?:-([1-9][0-9]?))?\Z")
_SERIAL = re.compile(r"[0-9A-Za-z]{20}\Z")
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_CAPABILITIES = re.compile(r"[A-Z0-9]{1,12}(?:,[A-Z0-9]{1,12})*\Z")
_OLD = re.compile(r"([1-9][0-9]{0,18}|0)\.([1-9][0-9]{0,18}|0)\Z")
_TOLD = re.compile(r"([1-9][0-9]{0,18}|0)\.([1-9][0-9]{0,18}|0)\.([1-9][0-9]{0,18}|0)\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_HEAD = re.compile(r"[A-Z0-9]{1,12}\Z")
CODES: dict[Keyword, tuple[int, str]] = {
    Keyword.READY: (250, "2.0.0"),
    Keyword.SUSPENDED: (451, "4.3.2"),
    Keyword.RECON: (451, "4.3.0"),
    Keyword.ROLLED: (451, "4.3.0"),
    Keyword.FENCED: (554, "5.7.0"),
    Keyword.NOT_ENROLLED: (550, "5.7.1"),
    Keyword.DENIED: (550, "5.7.1"),
    Keyword.VERSION: (504, "5.5.4"),
}
REFUSALS = frozenset({Keyword.NOT_ENROLLED, Keyword.DENIED, Keyword.VERSION})  # one line, then close
ENDS_SESSION = REFUSALS | {Keyword.FENCED}


def speaks_ours(versions: str) -> bool:
    """Does `V=` of the peer include VERSION?"""
    match = _VERSIONS.match(versions)
    if match is None:
        return False
    low, high = int(match.group(1)), int(match.group(2) or match.group(1))
    return low <= VERSION <= high


def encode_ehlo_reply(hostname: str, limits: Limits) -> bytes:
    """What EHLO inside TLS is answered; never BINARYMIME, AUTH, VRFY or DATA."""
    lines = (
        hostname,
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        f"SIZE {limits.message_bytes}",
        "CHUNKING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        f"LIMITS RCPTMAX={limits.recipients}",
    )
    return ("".join(f"250-{text}\r\n" for text in lines) + f"250 XCPQ {VERSION}\r\n").encode("ascii")


def encode_hello(hello: Hello) -> bytes:
    return f"XQHELLO {_self_pairs(hello)}\r\n".encode("ascii")


def parse_hello(pairs: bytes) -> Hello:
    """From the pairs behind the verb; ValueError when one is wrong, twice or missing."""
    return _hello_of(_pairs(pairs.decode("ascii").split()))


def _self_pairs(hello: Hello) -> str:
    text = (
        f"V={hello.versions} SERIAL={hello.serial} NONCE={hello.nonce} INC={hello.inc} SEQ={hello.seq} "
        f"PINC={hello.peer_inc} PSEQ={hello.peer_seq} T={hello.at_ms}"
    )
    if hello.endpoint:
        text += f" END={encode_xtext(hello.endpoint)}"
    if hello.capabilities:
        text += f" CAP={','.join(hello.capabilities)}"
    if hello.old is not None:
        text += " OLD={}.{}".format(*hello.old)
    if hello.rolled:
        text += " ROLLED=1"
    if hello.told is not None:
        text += " TOLD={}.{}.{}".format(*hello.told)
    if hello.next:
        text += f" NEXT={base64.b64encode(hello.next).decode()}"
    if hello.trusts:
        text += f" TRUSTS={hello.trusts}"
    return text


def _pairs(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if _HEAD.match(key) is None:
            raise ValueError(f"not a key: {key[:20]}")
        if key in found:
            raise ValueError(f"{key} twice")
        found[key] = value
    return found


def _hello_of(pairs: dict[str, str]) -> Hello:
    missing = [key for key in _REQUIRED if key not in pairs]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    if _VERSIONS.match(pairs["V"]) is None:
        raise ValueError("V is not a version")
    if _SERIAL.match(pairs["SERIAL"]) is None:
        raise ValueError("SERIAL is not 20 letters and digits")
    if _NONCE.match(pairs["NONCE"]) is None:
        raise ValueError("NONCE is not 128 bits in lower-case hex")
    capabilities = pairs.get("CAP", "")
    if capabilities and _CAPABILITIES.match(capabilities) is None:
        raise ValueError("CAP is not a list of names")
    return Hello(
        serial=pairs["SERIAL"],
        nonce=pairs["NONCE"],
        inc=_number(pairs, "INC"),
        seq=_number(pairs, "SEQ"),
        peer_inc=_number(pairs, "PINC"),
        peer_seq=_number(pairs, "PSEQ"),
        at_ms=_number(pairs, "T"),
        endpoint=decode_xtext(pairs.get("END", "")),
        capabilities=tuple(capabilities.split(",")) if capabilities else (),
        versions=pairs["V"],
        old=_numbers(pairs, "OLD", _OLD),  # type: ignore[arg-type]
        rolled=pairs.get("ROLLED") == "1",
        told=_numbers(pairs, "TOLD", _TOLD),  # type: ignore[arg-type]
        next=_certificate(pairs.get("NEXT", "")),
        trusts=_fingerprint(pairs.get("TRUSTS", "")),
    )


def _certificate(text: str) -> bytes:
    """Octets that say they are one; what they hold is not looked at here."""
    if len(text) > 4 * ((CERTIFICATE_BYTES_MAX + 2) // 3):
        raise ValueError("NEXT is too long")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError("NEXT is not base64") from error


def _fingerprint(text: str) -> str:
    if text and _FINGERPRINT.match(text) is None:
        raise ValueError("TRUSTS is not a fingerprint")
    return text


def _numbers(pairs: dict[str, str], key: str, pattern: re.Pattern[str]) -> tuple[int, ...] | None:
    """Numbers with dots between them; None when the key is not there."""
    if key not in pairs:
        return None
    match = pattern.match(pairs[key])
    if match is None:
        raise ValueError(f"{key} is not {pattern.groups} numbers")
    return tuple(number(digits.encode()) for digits in match.groups())


def _number(pairs: dict[str, str], key: str, default: int | None = None) -> int:
    text = pairs.get(key)
    if text is None:
        if default is None:
            raise ValueError(f"{key} is missing")
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (len(text) > 1 and text[0] == "0"):
        raise ValueError(f"{key} is not a number")
    return number(text.encode())


# --- the reply ---------------------------------------------------------------------------------------------------
def encode_hello_reply(reply: HelloReply) -> bytes:
    """All lines; the refusals say one line only, because who is refused learns nothing more."""
    code, enhanced = CODES[reply.keyword]
    first = reply.keyword.value
    if reply.keyword is Keyword.VERSION:
        return f"{code} {enhanced} {first} V={VERSION}\r\n".encode()
    if reply.keyword in REFUSALS:
        return f"{code} {enhanced} {first}\r\n".encode()
    if reply.keyword is Keyword.SUSPENDED:
        first += f" WHY={reply.why or 'service'}"
    return _lines(code, enhanced, [first, *_state_lines(reply), _mark(reply)])


def encode_stat_reply(reply: HelloReply) -> bytes:
    """XQSTAT succeeds in every state: code 250, no line with the state's keyword, the checks before the mark."""
    checks = [_check(name, answer, cure) for name, answer, cure in reply.checks]
    return _lines(250, "2.0.0", [*_state_lines(reply), *checks, _mark(reply)])


def _state_lines(reply: HelloReply) -> list[str]:
    limits = reply.limits
    limit_line = (
        f"XQLIMIT WIN={limits.window} WBYTES={limits.window_bytes} MAX={limits.message_bytes} "
        f"META={limits.metadata_bytes} RCPT={limits.recipients} SESS={limits.sessions}"
    )
    lines = [
        f"XQSELF {_self_pairs(reply.me)}",
        limit_line,
        f"XQSPACE FREE={reply.free_bytes} LEVEL={reply.level}",
    ]
    for name in reply.suspended_quarantines:
        line = f"XQSUSPQ {encode_xtext(name)}"
        # A name that no reply line can hold is left out: cut, it would name another quarantine. Its groups are still
        # answered 450 XQSUSPQ.
        if len(line) <= REPLY_LINE_MAX - 12:
            lines.append(line)
    return lines


def _mark(reply: HelloReply) -> str:
    return f"XQMARK WM={reply.watermark} JIN={reply.journal_in} JOUT={reply.journal_out} AH={reply.audit_head or '-'}"


def _check(name: str, answer: str, cure: str) -> str:
    line = f"XQCHECK - {name} {answer}"
    if not cure:
        return line
    encoded = encode_xtext(cure)
    while len(line) + 1 + len(encoded) > REPLY_LINE_MAX - 12:  # advice for a person: cut, it is still of use
        cure = cure[: len(cure) // 2]
        encoded = encode_xtext(cure)
    return f"{line} {encoded}"


def _lines(code: int, enhanced: str, texts: list[str]) -> bytes:
    last = len(texts) - 1
    return "".join(
        f"{code}{' ' if place == last else '-'}{enhanced} {text}\r\n" for place, text in enumerate(texts)
    ).encode("ascii")


def parse_reply_lines(keyword: Keyword, why: str, texts: list[str]) -> HelloReply:
    """The reply of which `texts` are the lines behind the enhanced code, without the first one's keyword line.
    ValueError when XQSELF, XQLIMIT or XQMARK is missing or wrong."""
    found: dict[str, dict[str, str]] = {}
    names: list[str] = []
    checks: list[tuple[str, str, str]] = []
    for text in texts:
        words = text.split(" ")
        if words[0] == "XQSUSPQ" and len(words) == 2:
            names.append(decode_xtext(words[1]))
        elif words[0] == "XQCHECK" and len(words) >= 4:
            checks.append((words[2], words[3], decode_xtext(words[4]) if len(words) > 4 else ""))
        elif words[0] in ("XQSELF", "XQLIMIT", "XQSPACE", "XQMARK"):
            if words[0] in found:
                raise ValueError(f"{words[0]} twice")
            found[words[0]] = _pairs(words[1:])
    for line in ("XQSELF", "XQLIMIT", "XQMARK"):
        if line not in found:
            raise ValueError(f"{line} is missing")
    space, mark = found.get("XQSPACE", {}), found["XQMARK"]
    return HelloReply(
        keyword=keyword,
        me=_hello_of(found["XQSELF"]),
        limits=_limits_of(found["XQLIMIT"]),
        why=why,
        free_bytes=_number(space, "FREE", 0),
        level=space.get("LEVEL", "OK"),
        suspended_quarantines=tuple(names),
        watermark=_number(mark, "WM"),
        journal_in=_number(mark, "JIN"),
        journal_out=_number(mark, "JOUT"),
        audit_head=mark.get("AH", "-"),
        checks=tuple(checks),
    )


def _limits_of(pairs: dict[str, str]) -> Limits:
    limits = Limits(
        window=_number(pairs, "WIN"),
        window_bytes=_number(pairs, "WBYTES"),
        message_bytes=_number(pairs, "MAX"),
        metadata_bytes=_number(pairs, "META"),
        recipients=_number(pairs, "RCPT"),
        sessions=_number(pairs, "SESS"),
    )
    if not (limits.window and limits.recipients and limits.sessions):
        raise ValueError("a limit of nothing")
    return limits
