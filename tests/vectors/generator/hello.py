"""XQHELLO lines that are and are not taken."""

from typing import Any

from tests.vectors.generator.words import CID, GW1, GW_NONCE, HELLO, HELLO_TOLD, NEXT, SMA_NEXT, Case, Turn, c, case, s

base = HELLO.removesuffix("\r\n")
bad = "555 5.5.4 XQPARAM -\r\n"
versions = "504 5.5.4 XQVERSION V=1\r\n"
told = {key: value for key, value in HELLO_TOLD.items() if key != "server_event"}


def wrong(name: str, line: str, reply: str = bad, *rest: Turn) -> dict[str, Any]:
    return case(name, "XQHELLO that is not taken", [c(line + "\r\n"), s(reply), *rest], start="ehlo", ends=["server"])


CASES: list[Case] = [
    case(
        "unknown-key",
        "a key of a later version is ignored, order is free, V may be a range",
        [
            c(base.replace("V=1 ", "ZZ=9 ").replace(" CAP", " V=1-3 CAP") + "\r\n"),
            {"server_event": "hello"} | told | {"versions": "1-3"},
        ],
        start="ehlo",
        ends=["server"],
    ),
    case(
        "set-back",
        "who says it was set back, holds its peer for set back, and has testified",
        [
            c(base + " OLD=1.700 ROLLED=1 TOLD=3.4200.830\r\n"),
            {"server_event": "hello"} | told | {"old": [1, 700], "rolled": True, "told": [3, 4200, 830]},
        ],
        start="ehlo",
        ends=["server"],
    ),
    case(
        "another-certificate",
        "the client will show another certificate, and believes the server's next one",
        [
            c(f"{base} NEXT={NEXT} TRUSTS={SMA_NEXT}\r\n"),
            {"server_event": "hello"} | told | {"next": NEXT, "trusts": SMA_NEXT},
        ],
        start="ehlo",
        ends=["server"],
    ),
    wrong("next-not-base64", base + " NEXT=MII-"),
    wrong("next-too-long", base + f" NEXT={'A' * 644}"),
    wrong("trusts-short", base + " TRUSTS=5c"),
    wrong("trusts-upper", base + f" TRUSTS={'5C' * 32}"),
    wrong("old-of-three", base + " OLD=1.2.3"),
    wrong("told-of-two", base + " TOLD=1.2"),
    wrong("key-twice", base + " INC=1"),
    wrong("key-missing", base.replace(" PSEQ=4410", "")),
    wrong("serial-short", base.replace(GW1, "SHORT")),
    wrong("nonce-upper", base.replace(GW_NONCE, "5C" * 16)),
    wrong("number-leading-zero", base.replace("SEQ=812", "SEQ=0812")),
    wrong("number-too-large", base.replace("SEQ=812", "SEQ=9999999999999999999")),
    wrong("version-unknown", base.replace("V=1", "V=2-3"), versions, {"server_event": "end", "clean": False}),
    case(
        "pipelined",
        "nothing may follow XQHELLO before its reply",
        [
            c(HELLO + "NOOP\r\n"),
            HELLO_TOLD,
            s("500 5.5.2 XQFRAME - octets before the reply to XQHELLO\r\n"),
            {"server_event": "end", "clean": False},
        ],
        start="ehlo",
        ends=["server"],
    ),
    case(
        "unit-before-hello",
        "no unit before XQHELLO",
        [
            c(f"XQCANCEL {CID[0]}.1 {'0' * 64}\r\n"),
            s("500 5.5.2 XQFRAME - verb out of order\r\n"),
            {"server_event": "end", "clean": False},
        ],
        start="ehlo",
        ends=["server"],
    ),
]
