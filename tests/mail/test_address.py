import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.address import (
    decode_xtext,
    domain_of,
    encode_xtext,
    is_hello_name,
    is_valid_xtext,
    matches,
    parse_path,
    without_source_route,
)


def parse(text, *, utf8=False, null_allowed=False):
    return parse_path(text, utf8=utf8, null_allowed=null_allowed)


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "john.q+tag@mail.example.com",
        "!#$%&'*+/=?^_`{|}~-@b.example",
        '"a b"@c.example',
        '"a@b"@c.example',
        '"a\\"b\\\\"@c.example',
        '""@c.example',
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@[ipv6:::]",
        "a@[IPv6:::1]",
        "a@[IPv6:1:2:3:4:5:6:7:8]",
        "a@[IPv6:1:2:3:4:5:6:1.2.3.4]",
        "a@[IPv6:::ffff:1.2.3.4]",
        "a@xn--bcher-kva.example",
        "a@1.2.3.4",
        "a@a--b.example",
        "x" * 64 + "@b",
        "a@" + "x" * 63,
    ],
)
def test_an_address_comes_back_without_its_brackets(address):
    assert parse(f"<{address}>") == address
    assert parse(f"<{address}>", utf8=True, null_allowed=True) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "angle brackets"),
        ("<", "angle brackets"),
        ("a@b", "angle brackets"),
        ("<a@b", "angle brackets"),
        ("a@b>", "angle brackets"),
        ("<a@b> ", "angle brackets"),
        ("<a@b>\n", "angle brackets"),
        ("<>", "null recipient"),
        ("<a>", "domain missing"),
        ("<a@>", "domain missing"),
        ('<"a">', "domain missing"),
        ("<@b>", "local part missing"),
        ("<@a:b@c>", "local part missing"),
        ("<a b@c>", "bad local part"),
        ("<a..b@c>", "bad local part"),
        ("<.a@b>", "bad local part"),
        ("<a.@b>", "bad local part"),
        ("<a<b@c>", "bad local part"),
        ('<"a"b@c>', "bad local part"),
        ('<"a@c>', "quote not closed"),
        ("<a\0b@c>", "control character"),
        ("<a@b\r\nRCPT TO:<c@d>", "control character"),
        ('<"a\tb"@c>', "control character"),
        ("<a@b@c>", "bad domain"),
        ("<a@b.>", "bad domain"),
        ("<a@.b>", "bad domain"),
        ("<a@b..c>", "bad domain"),
        ("<a@-b>", "bad domain"),
        ("<a@b->", "bad domain"),
        ("<a@b_c>", "bad domain"),
        ("<a@b c>", "bad domain"),
        ("<a@" + "x" * 64 + ">", "bad domain"),
        ("<" + "x" * 65 + "@b>", "local part too long"),
        ('<"' + "x" * 63 + '"@b>', "local part too long"),
        ("<a@" + ".".join(["x" * 62] * 5) + ">", "address too long"),
        ("<a@[1.2.3]>", "address literal"),
        ("<a@[1.2.3.4.]>", "address literal"),
        ("<a@[1.2.3.256]>", "address literal"),
        ("<a@[01.2.3.4]>", "address literal"),
        ("<a@[1.2.3.4>", "address literal"),
        ("<a@[IPv6:]>", "address literal"),
        ("<a@[IPv6:1::2::3]>", "address literal"),
        ("<a@[IPv6:1:2:3:4:5:6:7::]>", "address literal"),
        ("<a@[IPv6:1:2:3:4:5:6:7]>", "address literal"),
        ("<a@[IPv6:12345::]>", "address literal"),
        ("<a@[IPv6:1:2:3:4:5:6:1.2.3.400]>", "address literal"),
        ("<a@[X-tag:foo]>", "address literal"),
        ("<\u00fc@b>", "SMTPUTF8"),
        ("<a@\u00fc>", "SMTPUTF8"),
    ],
)
def test_what_is_refused_and_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize("address", ["用户@例え.jp", "ü@b", "a@bücher.example", '"ü x"@b', "a@नमस्ते.example", "a@a-ü.b"])
def test_utf8_addresses_when_allowed(address):
    assert parse(f"<{address}>", utf8=True) == address
    with pytest.raises(ValueError, match="SMTPUTF8"):
        parse(f"<{address}>")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<a\x85@b>", "control"),
        ("<a\u202eb@c>", "control"),
        ("<a@b\u2028c>", "control"),
        ("<a@b\ud800>", "control"),
        ("<a@\u00fc.>", "bad domain"),
        ("<a@-\u00fc>", "bad domain"),
        ("<a@\u00fc_>", "bad domain"),
        ("<a@\u00fc\u3002example>", "bad domain"),
        ("<a@b c.\u00fc>", "bad domain"),
        ("<a@" + "\u00fc" * 64 + ">", "bad domain"),
        ("<a@" + "".join(chr(0x4E00 + 997 * n) for n in range(20)) + ">", "bad domain"),
        ("<" + "\u00fc" * 33 + "@b>", "local part too long"),
        ("<a@" + ".".join(["\u00fc" * 30] * 5) + ">", "address too long"),
    ],
)
def test_what_is_refused_even_with_utf8(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text, utf8=True)


def test_the_null_path_is_a_sender_and_postmaster_a_recipient():
    assert parse("<>", null_allowed=True) == ""
    assert parse("<Postmaster>") == "Postmaster"
    with pytest.raises(ValueError, match="domain missing"):
        parse("<postmaster>", null_allowed=True)


def test_the_longest_path_is_256_octets_with_its_brackets():
    domain = ".".join(["x" * 61] * 4)
    longest = "a" * (254 - 1 - len(domain)) + "@" + domain
    assert parse(f"<{longest}>") == longest
    with pytest.raises(ValueError, match="too long"):
        parse(f"<a{longest}>")


@given(st.text(max_size=300), st.booleans(), st.booleans())
def test_whatever_is_accepted_is_safe_to_write_back(text, utf8, null_allowed):
    try:
        address = parse(f"<{text}>", utf8=utf8, null_allowed=null_allowed)
    except ValueError as error:
        assert str(error).isascii()
        assert len(str(error)) < 60
    else:
        assert address == text
        assert not any(ord(c) < 32 or ord(c) == 127 for c in address)
        assert utf8 or address.isascii()
        assert len(address.encode()) <= 254


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_a_literal_in_its_usual_forms(ip):
    literal = f"a@[IPv6:{ip.exploded}]"
    assert parse(f"<{literal}>") == literal


@given(st.text(alphabet="0123af:.", max_size=20))
def test_no_literal_is_accepted_that_is_no_address(text):
    try:
        parse(f"<a@[IPv6:{text}]>")
    except ValueError:
        return
    ipaddress.IPv6Address(text)


def test_the_domain_is_lower_case_and_behind_the_last_at():
    assert domain_of("A@B.Example") == "b.example"
    assert domain_of('"a@b"@C') == "c"
    assert domain_of("postmaster") == ""
    assert domain_of("") == ""


@pytest.mark.parametrize(
    ("address", "pattern", "covered"),
    [
        ("a@b.example", "A@B.EXAMPLE", True),
        ("A@b.example", "a@b.example", True),
        ("a@b.example", "x@b.example", False),
        ("a@b.example", "@b.example", True),
        ("a@x.b.example", "@b.example", False),
        ("a@xb.example", "@b.example", False),
        ('"x@b.example"@c.example', "@b.example", False),
        ("a@x.b.example", ".b.example", True),
        ("a@y.x.b.example", ".b.example", True),
        ("a@b.example", ".b.example", False),
        ("a.b.example", ".b.example", False),
        ("postmaster", "postmaster", True),
        ("postmaster", "@", False),
        ("", "", True),
        ("", "@b.example", False),
        ("", ".b.example", False),
        ("a@b.example", "", False),
        ("a@b\u00fccher.example", "@xn--bcher-kva.example", True),
        ("a@xn--bcher-kva.example", "@b\u00dccher.example", True),
        ("a@x.b\u00fccher.example", ".xn--bcher-kva.example", True),
        ("\u00fc@b.example", "\u00dc@b.example", True),
        ("a@" + "\u00fc" * 300, "@x", False),
        ("a@\ud800", "@x", False),
    ],
)
def test_patterns_of_policies(address, pattern, covered):
    assert matches(address, pattern) is covered


@given(st.text())
def test_xtext_goes_and_comes_back(text):
    encoded = encode_xtext(text)
    assert is_valid_xtext(encoded)
    assert decode_xtext(encoded) == text


def test_xtext_of_known_values():
    assert encode_xtext("a+b=c d\u00fc") == "a+2Bb+3Dc+20d+C3+BC"
    assert decode_xtext("plain") == "plain"
    assert decode_xtext("a+FF") == "a\ufffd"
    assert encode_xtext("\ud800") == "?"


@pytest.mark.parametrize("text", ["a b", "a=b", "a+", "a+2", "a+2b", "a+GG", "\u00fc", "a\n", "\x7f"])
def test_what_is_no_xtext(text):
    assert not is_valid_xtext(text)
    with pytest.raises(ValueError, match="not xtext"):
        decode_xtext(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<@r.example:a@x.example>", "<a@x.example>"),
        ("<@r.example,@s.example:a@x.example>", "<a@x.example>"),
        ("<a@x.example>", "<a@x.example>"),
        ('<"@r:"@x.example>', '<"@r:"@x.example>'),
        ("<@r..example:a@x.example>", "<@r..example:a@x.example>"),
        ("<@r.example a:a@x.example>", "<@r.example a:a@x.example>"),
        ("<@[192.0.2.1]:a@x.example>", "<@[192.0.2.1]:a@x.example>"),
        (f"<@{'r' * 63}.example:{'a' * 250}>", f"<@{'r' * 63}.example:{'a' * 250}>"),
        ("<>", "<>"),
        ("", ""),
    ],
)
def test_a_source_route_is_taken_off_and_nothing_else(text: str, path: str) -> None:
    assert without_source_route(text) == path


def test_hello_names_are_names_or_literals() -> None:
    names = ["mx.example", "mx.example.", "[192.0.2.1]", "[IPv6:2001:db8::1]", "WIN_PC", "_x", "192.0.2.1", "x" * 255]
    assert all(map(is_hello_name, names))
    bad = ["", "x" * 256, "a\tb", "\u00fc.example", "[foo]", "[", "-", "x y", "a(b)", "<a>", "[192.0.2.1"]
    assert not any(map(is_hello_name, bad))
