"""Addresses in the envelope: the grammar of RFC 5321 §4.1.2 paths with RFC 6531 for UTF-8, strict, and RFC 3461 xtext.

Not an RFC 5322 header-address parser. No blanks, no comments, and source routes only to be taken off: strictness here
is what keeps two hops from reading two different recipients. Every reason is short and free of the peer's text, fit for
an SMTP reply.
"""

import re
import unicodedata

LOCAL_PART_OCTETS_MAX = 64  # RFC 5321 §4.5.3.1.1
PATH_OCTETS_MAX = 256  # RFC 5321 §4.5.3.1.3, angle brackets included; so no domain exceeds its 255 (§4.5.3.1.2)
HELLO_CHARS_MAX = 255  # RFC 5321 §4.5.3.1.2: the longest domain
LABEL_OCTETS_MAX = 63  # RFC 1035 §2.3.4

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"(?![A-Za-z0-9-]{64})[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+"  # sub-domain, RFC 5321 §4.1.2
# Path = "<" Dot-string "@" Domain ">" with nothing but ASCII: nearly every path there is
_PLAIN_PATH = re.compile(
    rf"<((?=[^@]{{1,{LOCAL_PART_OCTETS_MAX}}}@){_ATEXT}++(?:\.{_ATEXT}++)*+@{_LABEL}(?:\.{_LABEL})*+)>\Z"
)
_DOT_STRING = re.compile(rf"(?:{_ATEXT}|[^\x00-\x7f])++(?:\.(?:{_ATEXT}|[^\x00-\x7f])++)*+\Z")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE ; RFC 5321 §4.1.2, UTF-8 by RFC 6531 §3.3
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|[^\x00-\x7f]|\\[ -~])*+"\Z')
_QUOTED_START = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+\Z")
_ROUTE_HOST = re.compile(rf"@{_LABEL}(?:\.{_LABEL})*+\Z")
_HELLO_NAME = re.compile(r"(?=[^A-Za-z0-9]{0,8}[A-Za-z0-9])[A-Za-z0-9._:-]++\Z")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}\Z")
_HEX_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}\Z")
# Controls, direction marks, separators, lone surrogates and non-characters would change what a reader sees.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]"
)
# What a U-label may hold besides letters, marks and digits (RFC 5892 appendix A: the contextual ones).
_CONTEXTUAL = frozenset("\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb")

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*+\Z")  # RFC 3461 §4
_XTEXT_CHARS = re.compile(r"\+([0-9A-F]{2})")
_NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")


def parse_path(text: str, *, utf8: bool, null_allowed: bool) -> str:
    """The address in `text`, "<...>", without its brackets; "" for the null reverse-path. ValueError says why not.

    `null_allowed` marks a reverse-path; a forward-path may be "<postmaster>" instead (RFC 5321 §4.5.1).
    """
    if len(text) <= PATH_OCTETS_MAX and (match := _PLAIN_PATH.match(text)) is not None:
        return match[1]
    return _parse_unusual(text, utf8=utf8, null_allowed=null_allowed)


def without_source_route(text: str) -> str:
    """`<@a.example,@b.example:c@d.example>` as `<c@d.example>`: RFC 5321 §4.1.1.3 and appendix C want the route taken
    and ignored. Anything else is returned as it is."""
    route, colon, rest = text[1:].partition(":")
    if not (text[:2] == "<@" and colon and all(_ROUTE_HOST.match(host) for host in route.split(","))):
        return text
    return f"<{rest}" if len(text) <= PATH_OCTETS_MAX else text


def is_postmaster(address: str) -> bool:
    """The one mailbox that has no domain (RFC 5321 §4.5.1)."""
    return address.lower() == "postmaster"


def is_hello_name(text: str) -> bool:
    """What may stand behind EHLO: an address literal, or a name (RFC 5321 §4.1.1.1). Lenient about names: clients say
    their NetBIOS name with "_", a bare address, a last dot, and nothing is decided by it."""
    if text[:1] == "[":
        return text[-1] == "]" and _is_literal(text[1:-1])
    return len(text) <= HELLO_CHARS_MAX and _HELLO_NAME.match(text) is not None


def _parse_unusual(text: str, *, utf8: bool, null_allowed: bool) -> str:
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        raise ValueError("address must stand in angle brackets")
    address = text[1:-1]
    if not address:
        if null_allowed:
            return ""
        raise ValueError("null recipient")
    if not address.isascii() and not utf8:
        raise ValueError("non-ASCII address needs SMTPUTF8")
    if _UNSEEN.search(address):
        raise ValueError("control character in address")
    if len(text.encode("utf-8")) > PATH_OCTETS_MAX:
        raise ValueError("address too long")
    if address[0] == "@":
        raise ValueError("local part missing")
    local, at, domain = _split(address)
    if not at:
        if not null_allowed and is_postmaster(address):
            return address
        raise ValueError("domain missing")
    _check_local(local)
    _check_domain(domain)
    return address


def _split(address: str) -> tuple[str, str, str]:
    """(local part, "@" or "", domain); an @ inside quotes belongs to the local part."""
    if address[:1] == '"':
        quoted = _QUOTED_START.match(address)
        if quoted is None:
            raise ValueError("quote not closed")
        rest = address[quoted.end() :]
        if rest[:1] not in ("", "@"):
            raise ValueError("bad local part")
        return quoted[0], rest[:1], rest[1:]
    return address.partition("@")


def _check_local(local: str) -> None:
    if len(local.encode("utf-8")) > LOCAL_PART_OCTETS_MAX:
        raise ValueError("local part too long")
    if _DOT_STRING.match(local) is None and _QUOTED_STRING.match(local) is None:
        raise ValueError("bad local part")


def _check_domain(domain: str) -> None:
    if not domain:
        raise ValueError("domain missing")
    if domain[0] == "[":
        if domain[-1] != "]" or not _is_literal(domain[1:-1]):
            raise ValueError("bad address literal")
    elif not (_DOMAIN.match(domain) if domain.isascii() else all(map(_is_label, domain.split(".")))):
        raise ValueError("bad domain")


def is_domain(text: str) -> bool:
    """A domain in ASCII, as a host is named."""
    return len(text) <= HELLO_CHARS_MAX and _DOMAIN.match(text) is not None


def _is_label(label: str) -> bool:
    """A sub-domain or U-label (RFC 6531 §3.3), short enough for the DNS in its ASCII form."""
    if not label or label[0] == "-" or label[-1] == "-":
        return False
    if label.isascii():
        return _DOMAIN.match(label) is not None
    if not all(c.isalnum() or c == "-" or c in _CONTEXTUAL or _is_mark(c) for c in label):
        return False
    return len(label) <= LABEL_OCTETS_MAX and 4 + len(label.encode("punycode")) <= LABEL_OCTETS_MAX


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_literal(literal: str) -> bool:
    """IPv4-address-literal or "IPv6:" IPv6-addr (RFC 5321 §4.1.3)."""
    if literal[:5].lower() == "ipv6:":
        return _is_ipv6(literal[5:])
    return _IPV4.match(literal) is not None


def _is_ipv6(text: str) -> bool:
    head, double, tail = text.partition("::")
    groups = (head.split(":") if head else []) + (tail.split(":") if tail else [])
    if not groups:
        return double != ""
    width = len(groups)
    if "." in groups[-1]:
        if _IPV4.match(groups.pop()) is None:
            return False
        width += 1
    # RFC 5321 §4.1.3: "::" stands for at least two groups
    return all(map(_HEX_GROUP.match, groups)) and (width <= 6 if double else width == 8)


def domain_of(address: str) -> str:
    """The domain in lower case; "" when there is none (null path, bare postmaster)."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def matches(address: str, pattern: str) -> bool:
    """Whether a policy's pattern covers the address, without regard to case.

    `a@b.example` is one address, `@b.example` a domain, `.b.example` the domains below it, "" the null path.
    A domain in Unicode and its ASCII form are the same domain.
    """
    if not address.isascii() or not pattern.isascii():
        address, pattern = _ascii_domain(address), _ascii_domain(pattern)
    address, pattern = address.lower(), pattern.lower()
    first = pattern[:1]
    if first == "@":
        return "@" in address and address.rpartition("@")[2] == pattern[1:]
    if first == ".":
        return "@" in address and address.rpartition("@")[2].endswith(pattern)
    return address == pattern


def _ascii_domain(text: str) -> str:
    """The address or pattern with U-labels in its domain as A-labels (RFC 5890 §2.3.2.1)."""
    local, at, domain = text.rpartition("@")
    if domain.isascii():
        return text
    labels = (_a_label(unicodedata.normalize("NFC", label.lower())) for label in domain.split("."))
    return f"{local}{at}{'.'.join(labels)}"


def _a_label(label: str) -> str:
    # the codec is quadratic; what is too long for a label anyway is left as it is
    if label.isascii() or len(label) > LABEL_OCTETS_MAX or _UNSEEN.search(label):
        return label
    return "xn--" + label.encode("punycode").decode("ascii")


def is_valid_xtext(text: str) -> bool:
    """Whether `text` is xtext (RFC 3461 §4); the empty string is."""
    return _XTEXT.match(text) is not None


def decode_xtext(text: str) -> str:
    """What the xtext stands for, read as UTF-8: any control character may be in it. ValueError when it is none."""
    if not is_valid_xtext(text):
        raise ValueError("not xtext")
    if "+" not in text:
        return text
    octets = _XTEXT_CHARS.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")
    return octets.decode("utf-8", "replace")


def encode_xtext(text: str) -> str:
    """`text` as xtext: octets outside "!" to "~", and "+" and "=", become "+" and two hex digits."""
    return _NOT_XCHAR.sub(lambda match: b"+%02X" % match[0][0], text.encode("utf-8", "replace")).decode("ascii")
