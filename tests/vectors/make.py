"""Writes the conformance vectors of CPQ beside itself (format: README.md). `python make.py`.

Nothing of the program is imported: octets, digests and expected replies are put down here by hand, so that the vectors
check both ends of the program and can check a foreign one. A test compares the files with what this writes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

Turn = dict[str, Any]

GW1, GW2, SMA = "GATEWAY0000000000001", "GATEWAY0000000000002", "MANAGER0000000000007"
GW_NONCE, SMA_NONCE = "5c" * 16, "a0" * 16
CID = ["7f" * 16, "80" * 16, "91" * 16]
HELLO = (
    f"XQHELLO V=1 SERIAL={GW1} NONCE={GW_NONCE} INC=1 SEQ=812 PINC=3 PSEQ=4410 T=1795490000000 "
    "END=10.10.20.1:7025 CAP=ORDER\r\n"
)
SELF = f"XQSELF V=1 SERIAL={SMA} NONCE={SMA_NONCE} INC=3 SEQ=4410 PINC=1 PSEQ=812 T=1795490000012"
LIMIT = "XQLIMIT WIN=256 WBYTES=33554432 MAX=104857600 META=65536 RCPT=1000 SESS=8"
MARK = "XQMARK WM=4380 JIN=790 JOUT=4402 AH=" + "99" * 32
SMALL = {"window": 4, "window_bytes": 4000, "message_bytes": 1000, "metadata_bytes": 200, "recipients": 2}

HELLO_CALL: Turn = {
    "client_call": "hello",
    "serial": GW1,
    "nonce": GW_NONCE,
    "inc": 1,
    "seq": 812,
    "peer_inc": 3,
    "peer_seq": 4410,
    "at_ms": 1795490000000,
    "endpoint": "10.10.20.1:7025",
    "capabilities": ["ORDER"],
}
HELLO_TOLD = {"server_event": "hello"} | {k: v for k, v in HELLO_CALL.items() if k != "client_call"}


def sha(octets: str) -> str:
    return hashlib.sha256(octets.encode("latin-1")).hexdigest()


class Group:
    """One message group as octets. Characters are octets (ISO 8859-1)."""

    def __init__(self, xid: str, body: str = "a\r\nbc", **given: Any) -> None:
        self.xid, self.body, self.seq = xid, body, given.get("seq", 811)
        self.size, self.sha256 = given.get("size", len(body)), given.get("sha256", sha(body))
        self.metadata = given.get("metadata", f'{{"v":1,"xid":"{xid}"}}')
        dsn = " RET=HDRS ENVID=q1" if given.get("dsn") else ""
        self.mail = given.get(
            "mail",
            f"MAIL FROM:<a@example.org> BODY=8BITMIME SIZE={self.size}{dsn} "
            f"XQXID={xid} XQSHA256={self.sha256} XQSEQ={self.seq}\r\n",
        )
        self.rcpts = given.get("rcpts", ["RCPT TO:<b@example.com>\r\n"])
        self.commands = self.mail + "".join(self.rcpts)
        self.seal = given.get("seal", sha(self.commands + self.metadata))
        self.meta = f"XQMETA 1 {len(self.metadata)} {self.seal}\r\n{self.metadata}"
        self.octets = self.commands + self.meta + f"BDAT {len(body)} LAST\r\n{body}"

    def call(self) -> Turn:
        return {
            "client_call": "group",
            "xid": self.xid,
            "commands": self.commands,
            "metadata": self.metadata,
            "seal": self.seal,
            "body": self.body,
        }

    def told(self, unit: int) -> Turn:
        return {
            "server_event": "group",
            "unit": unit,
            "xid": self.xid,
            "size": self.size,
            "sha256": self.sha256,
            "seq": self.seq,
            "seal": self.seal,
            "metadata": self.metadata,
            "body": self.body,
        }


def plain(rcpts: int = 1) -> str:
    return "250 2.1.0\r\n" + "250 2.1.5\r\n" * rcpts + "250 2.0.0\r\n"


def answered(xid: str, reply: str) -> Turn:
    """What the client is to make of a deciding reply, `code enhanced keyword words` without the id."""
    code, enhanced, keyword, *words = reply.split(" ")
    return {
        "client_event": "unit",
        "xid": xid,
        "code": int(code),
        "enhanced": enhanced,
        "keyword": keyword,
        "words": words,
    }


def decide(unit: int, reply: str) -> Turn:
    return {"server_answer": "verdict", "unit": unit, "reply": reply}


def on_wire(xid: str, reply: str) -> str:
    code, enhanced, keyword, *words = reply.split(" ")
    return " ".join([code, enhanced, keyword, xid, *words]) + "\r\n"


def c(octets: str) -> Turn:
    return {"client": octets}


def s(octets: str) -> Turn:
    return {"server": octets}


def case(name: str, about: str, turns: list[Turn], **more: Any) -> dict[str, Any]:
    return {"name": name, "about": about, "start": "hello", "ends": ["client", "server"], "turns": turns} | more


def refused(name: str, about: str, octets: str, reply: str, **more: Any) -> dict[str, Any]:
    """The server refuses by itself; the session goes on, which NOOP shows."""
    turns = [c(octets), s(reply), c("NOOP\r\n"), s("250 2.0.0 XQOK\r\n")]
    return case(name, about, turns, ends=["server"], **more)


def framing(name: str, about: str, octets: str, due: str, why: str, **more: Any) -> dict[str, Any]:
    """A good group, undecided, stands in front; it is answered first, then the 500, then nothing."""
    first = Group(f"{CID[2]}.1")
    verdict = "250 2.0.0 XQACC 3 9"
    turns = [
        c(first.octets + octets + "NOOP\r\n"),
        first.told(0),
        s(plain()),
        decide(0, verdict),
        s(on_wire(first.xid, verdict) + due + f"500 5.5.2 XQFRAME - {why}\r\n"),
        {"server_event": "end", "clean": False},
    ]
    return case(name, about, turns, ends=["server"], **more)


def hello_reply(first: str, *more: str, code: str = "250", enhanced: str = "2.0.0", limit: str = LIMIT) -> str:
    lines = [first, SELF, limit, "XQSPACE FREE=81230000000 LEVEL=OK", *more, MARK]
    return "".join(f"{code}{' ' if line == MARK else '-'}{enhanced} {line}\r\n" for line in lines)


# --- files ---------------------------------------------------------------------------------------------------------
def start() -> list[dict[str, Any]]:
    ehlo = (
        "250-sma.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE 104857600\r\n250-CHUNKING\r\n"
        "250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=1000\r\n250 XCPQ 1\r\n"
    )
    clear = [
        s("220 sma.example ESMTP\r\n"),
        c("EHLO gw1.example\r\n"),
        s("250-sma.example\r\n250 STARTTLS\r\n"),
        c("STARTTLS\r\n"),
        s("220 2.0.0\r\n"),
        {"server_event": "starttls"},
        {"client_event": "starttls"},
    ]
    secure = [
        {"tls": "up"},
        c("EHLO gw1.example\r\n"),
        s(ehlo),
        {"server_event": "ehlo"},
        {"client_event": "secure"},
    ]
    ready: list[Turn] = [
        HELLO_CALL,
        c(HELLO),
        HELLO_TOLD,
        {"server_answer": "hello", "keyword": "XQREADY"},
        s(hello_reply("XQREADY")),
        {"client_event": "hello", "keyword": "XQREADY", "serial": SMA, "window": 256, "watermark": 4380},
    ]
    suspended: list[Turn] = [
        HELLO_CALL,
        c(HELLO),
        HELLO_TOLD,
        {
            "server_answer": "hello",
            "keyword": "XQSUSPENDED",
            "why": "offline",
            "suspended_quarantines": ["a b", "Virus"],
        },
        s(hello_reply("XQSUSPENDED WHY=offline", "XQSUSPQ a+20b", "XQSUSPQ Virus", code="451", enhanced="4.3.2")),
        {"client_event": "hello", "keyword": "XQSUSPENDED", "serial": SMA, "window": 256, "watermark": 4380},
    ]
    goodbye = [{"client_call": "quit"}, c("QUIT\r\n"), s("221 2.0.0\r\n")]
    ends = [{"server_event": "end", "clean": True}, {"client_event": "end", "keyword": "", "refused": False}]
    fenced = [
        HELLO_CALL,
        c(HELLO),
        HELLO_TOLD,
        {"server_answer": "hello", "keyword": "XQFENCED"},
        s(hello_reply("XQFENCED", code="554", enhanced="5.7.0")),
        {"server_event": "end", "clean": False},
        {"client_event": "hello", "keyword": "XQFENCED", "serial": SMA, "window": 256, "watermark": 4380},
        {"client_event": "end", "keyword": "XQFENCED", "refused": False},
    ]
    return [
        case(
            "session",
            "greeting, STARTTLS, EHLO in TLS, XQHELLO, QUIT",
            clear + secure + ready + goodbye + ends,
            start="clear",
        ),
        case(
            "suspended",
            "the manager takes nothing now; two quarantines take nothing",
            clear + secure + suspended,
            start="clear",
        ),
        case("fenced-hello", "an instance that was replaced comes back", clear + secure + fenced, start="clear"),
        *(
            case(
                f"recon-{word.lower()}",
                "one of the two was set back",
                clear
                + secure
                + [
                    HELLO_CALL,
                    c(HELLO),
                    HELLO_TOLD,
                    {"server_answer": "hello", "keyword": word},
                    s(hello_reply(word, code="451", enhanced="4.3.0")),
                    {"client_event": "hello", "keyword": word, "serial": SMA, "window": 256, "watermark": 4380},
                ],
                start="clear",
            )
            for word in ("XQRECON", "XQROLLED")
        ),
        *(
            case(
                f"hello-{word.lower()}",
                "the identity is refused; one line only",
                clear
                + secure
                + [
                    HELLO_CALL,
                    c(HELLO),
                    HELLO_TOLD,
                    {"server_answer": "hello", "keyword": word},
                    s(line),
                    {"server_event": "end", "clean": False},
                    {"client_event": "end", "keyword": word, "refused": True},
                ],
                start="clear",
            )
            for word, line in (("XQDENIED", "550 5.7.1 XQDENIED\r\n"), ("XQNOTENROLLED", "550 5.7.1 XQNOTENROLLED\r\n"))
        ),
        case(
            "not-enrolled",
            "the certificate is not enrolled: EHLO in TLS is refused",
            [
                *clear,
                {"tls": "up", "enrolled": False},
                c("EHLO gw1.example\r\n"),
                s("550 5.7.1 XQNOTENROLLED\r\n"),
                {"server_event": "end", "clean": False},
                {"client_event": "end", "keyword": "XQNOTENROLLED", "refused": True},
            ],
            start="clear",
        ),
        case(
            "injection-at-server",
            "a command stands behind STARTTLS in the same segment: no 220, close",
            [
                s("220 sma.example ESMTP\r\n"),
                c("EHLO gw1.example\r\nSTARTTLS\r\nNOOP\r\n"),
                s("250-sma.example\r\n250 STARTTLS\r\n"),
                {"server_event": "end", "clean": False},
            ],
            start="clear",
            ends=["server"],
            whole=True,
        ),
        case(
            "injection-at-server-late",
            "octets come in clear after the 220 and before TLS",
            [*clear[:6], c("NOOP\r\n"), {"server_event": "end", "clean": False}],
            start="clear",
            ends=["server"],
        ),
        case(
            "injection-at-client",
            "a reply stands behind the 220 in the same segment: close",
            [
                s("220 sma.example ESMTP\r\n"),
                c("EHLO gw1.example\r\n"),
                s("250-sma.example\r\n250 STARTTLS\r\n"),
                c("STARTTLS\r\n"),
                s("220 2.0.0\r\n250 XCPQ 1\r\n"),
                {"client_event": "end", "keyword": "", "refused": True},
            ],
            start="clear",
            ends=["client"],
            whole=True,
        ),
        case(
            "clear-text",
            "all but EHLO, STARTTLS, NOOP, QUIT need TLS; the fifth ends the session",
            [
                s("220 sma.example ESMTP\r\n"),
                c("MAIL FROM:<a@example.org>\r\nXQSTAT\r\nNOOP\r\nVRFY x\r\nehlo x\r\nSTARTTLS now\r\nNOOP\r\n"),
                s("530 5.7.0 XQTLS\r\n" * 2 + "250 2.0.0 XQOK\r\n" + "530 5.7.0 XQTLS\r\n" * 3),
                {"server_event": "end", "clean": False},
            ],
            start="clear",
            ends=["server"],
        ),
        case(
            "clear-quit",
            "QUIT in clear text",
            [
                s("220 sma.example ESMTP\r\n"),
                c("QUIT\r\n"),
                s("221 2.0.0\r\n"),
                {"server_event": "end", "clean": True},
            ],
            start="clear",
            ends=["server"],
        ),
        case(
            "no-xcpq",
            "a server without XCPQ is no peer",
            [
                *clear[:5],
                clear[6],
                {"tls": "up"},
                c("EHLO gw1.example\r\n"),
                s("250-sma.example\r\n250 PIPELINING\r\n"),
                {"client_event": "end", "keyword": "", "refused": True},
            ],
            start="clear",
            ends=["client"],
        ),
        case(
            "busy",
            "over the connection limit",
            [s("421 4.3.2 sma.example busy\r\n"), {"client_event": "end", "keyword": "", "refused": False}],
            start="clear",
            ends=["client"],
        ),
    ]


def hello() -> list[dict[str, Any]]:
    base = HELLO.removesuffix("\r\n")
    bad = "555 5.5.4 XQPARAM -\r\n"
    versions = "504 5.5.4 XQVERSION V=1\r\n"
    told = {key: value for key, value in HELLO_TOLD.items() if key != "server_event"}

    def wrong(name: str, line: str, reply: str = bad, *rest: Turn) -> dict[str, Any]:
        return case(
            name, "XQHELLO that is not taken", [c(line + "\r\n"), s(reply), *rest], start="ehlo", ends=["server"]
        )

    return [
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


def dialogues() -> list[dict[str, Any]]:
    one = Group(
        f"{CID[0]}.1", dsn=True, rcpts=["RCPT TO:<b@example.com> NOTIFY=FAILURE ORCPT=rfc822;b@example.com\r\n"]
    )
    two = Group(f"{CID[1]}.1", body="", seq=812, rcpts=["RCPT TO:<b@example.com>\r\n", "RCPT TO:<c@example.com>\r\n"])
    acc = ["250 2.0.0 XQACC 3 4411", "250 2.0.0 XQACC 3 4412"]
    other = Group(f"{CID[1]}.1", body="", seq=812, rcpts=["RCPT TO:<d@example.com>\r\n"])
    late = Group(f"{CID[2]}.1")
    back = Group(f"{CID[0]}.2", seq=4420)
    seal = "1e" * 32

    def cancel(xid: str, reply: str, **more: Any) -> list[Turn]:
        return [
            {"client_call": "cancel", "xid": xid, "seal": seal},
            c(f"XQCANCEL {xid} {seal}\r\n"),
            {"server_event": "cancel", "unit": 0, "xid": xid, "seal": seal},
            decide(0, reply),
            s(on_wire(xid, reply)),
            answered(xid, reply),
        ]

    def rows(name: str, payload: str, row: dict[str, Any], after: int, last: int, **more: Any) -> dict[str, Any]:
        gap = more.pop("gap", False)
        applied = after if gap else last
        reply = f"451 4.5.0 XQGAP {applied}" if gap else f"250 2.0.0 XQJACK {applied}"
        line = f"XQJRNL {after} {last} {len(payload)} {sha(payload)}\r\n"
        turns = [
            {"client_call": "journal", "after": after, "last": last, "rows": [row]},
            c(line + payload),
            {"server_event": "journal", "unit": 0, "after": after, "last": last, "rows": [row]},
            {"server_answer": "journal", "unit": 0, "applied": applied, "gap": gap},
            s(on_wire("-", reply)),
            answered("-", reply),
        ]
        return case(name, "journal rows with their latest state", turns, **more)

    fin = f"835 FIN {CID[0]}.2 {'77' * 32} 1795490100000 R=delivered\r\n"
    fin_row = {
        "seq": 835,
        "state": "FIN",
        "xid": f"{CID[0]}.2",
        "seal": "77" * 32,
        "at_ms": 1795490100000,
        "pairs": {"R": "delivered"},
    }
    deleted = f"4431 DEL {CID[1]}.1 - 1795490100001 ACTOR=anna+20b WHY=spam\r\n"
    deleted_row = fin_row | {
        "seq": 4431,
        "state": "DEL",
        "xid": f"{CID[1]}.1",
        "seal": "-",
        "at_ms": 1795490100001,
        "pairs": {"ACTOR": "anna b", "WHY": "spam"},
    }
    reled = f"4432 RELD {CID[1]}.2 {'1e' * 32} 1795490100002 TO={GW2}\r\n"
    reled_row = deleted_row | {
        "seq": 4432,
        "state": "RELD",
        "xid": f"{CID[1]}.2",
        "seal": "1e" * 32,
        "at_ms": 1795490100002,
        "pairs": {"TO": GW2},
    }
    stat = "".join(
        f"250-2.0.0 {line}\r\n"
        for line in (
            SELF,
            LIMIT,
            "XQSPACE FREE=81230000000 LEVEL=OK",
            "XQCHECK - enrolled YES",
            f"XQCHECK - members NO {GW2}+20is+20not+20added",
            "XQCHECK - watermark UNKNOWN",
        )
    )
    return [
        case(
            "hold-pipelined",
            "two groups in one segment, decided out of order, answered in order and in one write",
            [
                one.call(),
                two.call(),
                c(one.octets + two.octets),
                one.told(0),
                two.told(1),
                s(plain()),
                decide(1, acc[1]),
                s(""),
                decide(0, acc[0]),
                s(on_wire(one.xid, acc[0]) + plain(2) + on_wire(two.xid, acc[1])),
                answered(one.xid, acc[0]),
                answered(two.xid, acc[1]),
            ],
        ),
        case(
            "lost-reply",
            "the same octets again are the same fact",
            [
                two.call(),
                c(two.octets),
                two.told(0),
                decide(0, acc[1]),
                s(plain(2) + on_wire(two.xid, acc[1])),
                answered(two.xid, acc[1]),
            ],
        ),
        case(
            "conflict",
            "the same id with other content",
            [
                other.call(),
                c(other.octets),
                other.told(0),
                decide(0, "554 5.7.0 XQCONFLICT"),
                s(plain() + on_wire(other.xid, "554 5.7.0 XQCONFLICT")),
                answered(other.xid, "554 5.7.0 XQCONFLICT"),
            ],
        ),
        case(
            "cancel-never-seen",
            "a tombstone is written for an id never seen",
            cancel(late.xid, "250 2.0.0 XQCANC 3 4413"),
        ),
        case("cancel-too-late", "the group was first", cancel(late.xid, "250 2.0.0 XQACC 3 4409")),
        case(
            "group-behind-cancel",
            "an old session commits late and finds the tombstone",
            [
                late.call(),
                c(late.octets),
                late.told(0),
                decide(0, "554 5.7.0 XQCANCELLED"),
                s(plain() + on_wire(late.xid, "554 5.7.0 XQCANCELLED")),
                answered(late.xid, "554 5.7.0 XQCANCELLED"),
            ],
        ),
        case(
            "release",
            "the manager dials the gateway: even hop",
            [
                back.call(),
                c(back.octets),
                back.told(0),
                decide(0, "250 2.0.0 XQACC 1 830"),
                s(plain() + on_wire(back.xid, "250 2.0.0 XQACC 1 830")),
                answered(back.xid, "250 2.0.0 XQACC 1 830"),
            ],
            side="gateway",
        ),
        rows("journal-fin", fin, fin_row, 790, 835),
        case(
            "alternate-cancel",
            "the first target gives the hop back",
            cancel(f"{CID[1]}.2", "250 2.0.0 XQCANC 1 836"),
            side="gateway",
        ),
        rows("journal-released-elsewhere", reled, reled_row, 4402, 4432, side="gateway"),
        rows("journal-deleted", deleted, deleted_row, 4402, 4431, side="gateway"),
        rows("journal-gap", deleted, deleted_row, 4410, 4431, side="gateway", gap=True),
        case(
            "confirm",
            "all up to 811 is settled",
            [
                {"client_call": "confirm", "seq": 811},
                c("XQCONFIRM 811\r\n"),
                {"server_event": "confirm", "unit": 0, "seq": 811},
                {"server_answer": "confirmed", "unit": 0},
                s("250 2.0.0 XQCONFIRMED\r\n"),
                answered("-", "250 2.0.0 XQCONFIRMED"),
            ],
        ),
        case(
            "readiness",
            "XQSTAT names what is missing, with its cure; it is answered 250 in every state",
            [
                {"client_call": "stat", "members": [GW1, GW2]},
                c(f"XQSTAT MEMBERS={GW1},{GW2}\r\n"),
                {"server_event": "stat", "unit": 0, "members": [GW1, GW2]},
                {
                    "server_answer": "stat",
                    "unit": 0,
                    "checks": [
                        ["enrolled", "YES", ""],
                        ["members", "NO", f"{GW2} is not added"],
                        ["watermark", "UNKNOWN", ""],
                    ],
                },
                s(stat + f"250 2.0.0 {MARK}\r\n"),
                {
                    "client_event": "stat",
                    "checks": [
                        ["enrolled", "YES", ""],
                        ["members", "NO", f"{GW2} is not added"],
                        ["watermark", "UNKNOWN", ""],
                    ],
                },
            ],
        ),
        case(
            "chunks",
            "a body in three chunks, one of them empty",
            [
                c(late.commands + late.meta + "BDAT 2\r\na\rBDAT 0\r\nBDAT 3 LAST\r\n\nbc"),
                late.told(0),
                s(plain() + "250 2.0.0\r\n" * 2),
                decide(0, acc[0]),
                s(on_wire(late.xid, acc[0])),
            ],
            ends=["server"],
        ),
        case(
            "utf8",
            "SMTPUTF8 lets 8-bit addresses pass",
            [
                c(
                    (
                        u := Group(
                            f"{CID[0]}.1",
                            mail=f"MAIL FROM:<\u00c3\u00b6@example.org> SMTPUTF8 SIZE=5 XQXID={CID[0]}.1 "
                            f"XQSHA256={sha('a' + chr(13) + chr(10) + 'bc')} XQSEQ=811\r\n",
                        )
                    ).octets
                ),
                u.told(0),
                s(plain()),
            ],
            ends=["server"],
        ),
        case(
            "later-verbs",
            "verbs of a later stage, and those that do not exist here, leave the session as it is",
            [
                c(f"XQFETCH 5\r\nXQSHOW {CID[0]}.1\r\nXQORDER {CID[0]} RELEASE Q=Outbreak\r\nDATA\r\nRSET\r\nNOOP\r\n"),
                s("502 5.5.1\r\n" * 5 + "250 2.0.0 XQOK\r\n"),
            ],
            ends=["server"],
            limits=SMALL | {"window": 6},
        ),
        case(
            "quit-behind-unit",
            "221 comes after every reply that is due",
            [
                c(late.octets + "QUIT\r\n"),
                late.told(0),
                s(plain()),
                decide(0, acc[0]),
                s(on_wire(late.xid, acc[0]) + "221 2.0.0\r\n"),
                {"server_event": "end", "clean": True},
            ],
            ends=["server"],
        ),
    ]


VERDICTS = [
    "250 2.0.0 XQACC 3 4411",
    "554 5.7.0 XQCANCELLED",
    "450 4.2.1 XQSUSPQ",
    "451 4.3.0 XQSTORE",
    "451 4.3.0 XQRECON",
    "451 4.3.2 XQSUSPENDED",
    "452 4.3.1 XQFULL",
    "451 4.3.3 XQVERSION",
    "452 4.5.3 XQRCPTS",
    "552 5.3.4 XQTOOBIG",
    "554 5.6.0 XQDIGEST",
    "554 5.6.0 XQBARE",
    "554 5.6.0 XQMETABAD",
    "555 5.5.4 XQPARAM",
    "554 5.5.1 XQNORCPT",
    "554 5.7.0 XQCONFLICT",
    "550 5.7.1 XQDENIED",
]
CANCEL_VERDICTS = [
    "250 2.0.0 XQCANC 3 4411",
    "250 2.0.0 XQACC 3 4411",
    "554 5.7.0 XQCONFLICT",
    "451 4.3.0 XQRECON",
    "451 4.3.0 XQSTORE",
    "550 5.7.1 XQDENIED",
]


def verdicts() -> list[dict[str, Any]]:
    group = Group(f"{CID[0]}.1")
    seal = "d0" * 32
    cases = [
        case(
            f"group-{reply.split(' ')[2].lower()}",
            "a reply that decides a group",
            [
                group.call(),
                c(group.octets),
                group.told(0),
                decide(0, reply),
                s(plain() + on_wire(group.xid, reply)),
                answered(group.xid, reply),
            ],
        )
        for reply in VERDICTS
    ]
    cases += [
        case(
            f"cancel-{reply.split(' ')[2].lower()}",
            "a reply that decides XQCANCEL",
            [
                {"client_call": "cancel", "xid": group.xid, "seal": seal},
                c(f"XQCANCEL {group.xid} {seal}\r\n"),
                {"server_event": "cancel", "unit": 0, "xid": group.xid, "seal": seal},
                decide(0, reply),
                s(on_wire(group.xid, reply)),
                answered(group.xid, reply),
            ],
        )
        for reply in CANCEL_VERDICTS
    ]
    for keyword in ("XQCLOSING", "XQFENCED"):
        cases.append(
            case(
                f"group-{keyword.lower()}",
                "the session ends in place of the verdict; the unit stays in doubt",
                [
                    group.call(),
                    c(group.octets),
                    group.told(0),
                    decide(0, f"421 4.3.2 {keyword}"),
                    s(plain() + f"421 4.3.2 {keyword} -\r\n"),
                    {"server_event": "end", "clean": False},
                    {"client_event": "end", "keyword": keyword, "refused": False},
                ],
            )
        )
    return cases


def faults() -> list[dict[str, Any]]:
    xid = f"{CID[0]}.1"
    good = Group(xid)
    accept = ["250 2.1.0\r\n", "250 2.1.5\r\n", "250 2.0.0\r\n"]
    spoilt = "503 5.5.1 XQGROUP\r\n"

    def fault(
        name: str, about: str, group: Group, place: int, reply: str, named: str = xid, **more: Any
    ) -> dict[str, Any]:
        """The fault is answered at command `place` (0 MAIL, 1 RCPT, 2 XQMETA, 3 BDAT LAST) and again at the end."""
        line = on_wire(named, reply)
        replies = (accept[:place] + [line] + [spoilt] * (2 - place) + [line]) if place < 3 else [*accept, line]
        return refused(name, about, group.octets, "".join(replies), **more)

    many = Group(xid, rcpts=[f"RCPT TO:<r{n}@example.com>\r\n" for n in range(3)])
    big = Group(xid, body="x" * 1001)
    chunked = good.commands + good.meta
    bare = "554 5.6.0 XQBARE"
    return [
        fault(
            "mail-parameter",
            "unknown parameter",
            Group(xid, mail=good.mail.replace("\r\n", " X=1\r\n")),
            0,
            "555 5.5.4 XQPARAM",
        ),
        fault(
            "mail-order",
            "parameters out of order",
            Group(xid, mail=good.mail.replace(" BODY=8BITMIME", "").replace(" XQXID", " BODY=8BITMIME XQXID")),
            0,
            "555 5.5.4 XQPARAM",
        ),
        fault(
            "mail-no-id",
            "id unreadable: match by position",
            Group(xid, mail=good.mail.replace(xid, xid.upper())),
            0,
            "555 5.5.4 XQPARAM",
            "-",
        ),
        fault(
            "mail-8bit",
            "8-bit address without SMTPUTF8",
            Group(xid, mail=good.mail.replace("<a@", "<\u00c3\u00b6@")),
            0,
            "555 5.5.4 XQPARAM",
        ),
        fault(
            "mail-source-route",
            "source routes are not taken",
            Group(xid, mail=good.mail.replace("<a@", "<@x.example:a@")),
            0,
            "555 5.5.4 XQPARAM",
        ),
        fault(
            "mail-seq-too-large", "a number over 2^63-1", Group(xid, seq=9999999999999999999), 0, "555 5.5.4 XQPARAM"
        ),
        fault(
            "hop-parity",
            "an even hop offered to a manager",
            Group(f"{CID[0]}.2"),
            0,
            "550 5.7.1 XQDENIED",
            f"{CID[0]}.2",
        ),
        fault("hop-parity-gateway", "an odd hop offered to a gateway", good, 0, "550 5.7.1 XQDENIED", side="gateway"),
        fault("too-big", "SIZE over MAX; the body is read and dropped", big, 0, "552 5.3.4 XQTOOBIG", limits=SMALL),
        fault("suspended", "a group while suspended", good, 0, "451 4.3.2 XQSUSPENDED", start="suspended"),
        fault("reconciling", "a group during reconciliation", good, 0, "451 4.3.0 XQRECON", start="recon"),
        fault(
            "rcpt-parameter",
            "unknown parameter",
            Group(xid, rcpts=["RCPT TO:<b@example.com> X=1\r\n"]),
            1,
            "555 5.5.4 XQPARAM",
        ),
        fault("rcpt-null", "a null recipient", Group(xid, rcpts=["RCPT TO:<>\r\n"]), 1, "555 5.5.4 XQPARAM"),
        fault(
            "rcpt-notify-twice",
            "a NOTIFY value twice",
            Group(xid, rcpts=["RCPT TO:<b@example.com> NOTIFY=DELAY,DELAY\r\n"]),
            1,
            "555 5.5.4 XQPARAM",
        ),
        refused(
            "rcpt-too-many",
            "more recipients than RCPT",
            many.octets,
            accept[0] + accept[1] * 2 + on_wire(xid, "452 4.5.3 XQRCPTS") + spoilt + on_wire(xid, "452 4.5.3 XQRCPTS"),
            limits=SMALL,
        ),
        refused(
            "no-recipient",
            "no RCPT at all",
            Group(xid, rcpts=[]).octets,
            accept[0] + on_wire(xid, "554 5.5.1 XQNORCPT") * 2,
        ),
        fault("seal", "the metadata is not what the seal says", Group(xid, seal="0" * 64), 2, "554 5.6.0 XQDIGEST"),
        fault(
            "seal-commands",
            "the seal covers the command lines too",
            Group(xid, seal=sha(good.mail + good.metadata)),
            2,
            "554 5.6.0 XQDIGEST",
        ),
        fault("meta-version-zero", "there is no version 0", _version_zero(xid), 2, "554 5.6.0 XQMETABAD"),
        fault(
            "body-digest", "the body is not what XQSHA256 says", Group(xid, sha256="0" * 64), 3, "554 5.6.0 XQDIGEST"
        ),
        fault("body-short", "fewer octets than SIZE", Group(xid, size=6), 3, "554 5.6.0 XQDIGEST"),
        fault("body-long", "more octets than SIZE", Group(xid, size=4), 3, "554 5.6.0 XQDIGEST"),
        fault("bare-lf", "bare LF in the body", Group(xid, body="a\nb\r\n"), 3, bare),
        fault("bare-cr", "bare CR in the body", Group(xid, body="a\rb\r\n"), 3, bare),
        fault("bare-cr-at-end", "a CR is the last octet", Group(xid, body="ab\r\n\r"), 3, bare),
        fault("bare-both", "LF CR is not CR LF", Group(xid, body="a\n\rb"), 3, bare),
        fault("nul", "NUL in the body", Group(xid, body="a\0b\r\n"), 3, bare),
        refused(
            "bare-in-first-chunk",
            "the fault is answered at its chunk, later chunks are read and dropped",
            (lambda g: g.commands + g.meta + "BDAT 3\r\na\nbBDAT 2\r\n\r\nBDAT 0 LAST\r\n")(
                Group(xid, body="a\nb\r\n")
            ),
            plain() + on_wire(xid, bare) + spoilt + on_wire(xid, bare),
        ),
        refused(
            "chunk-over-size",
            "the chunk that passes SIZE is refused",
            chunked + "BDAT 3\r\na\r\nBDAT 3\r\nbcdBDAT 0 LAST\r\n",
            plain() + accept[2] + on_wire(xid, "554 5.6.0 XQDIGEST") * 2,
        ),
        refused(
            "cancel-parity",
            "a cancel for the other side's hop",
            f"XQCANCEL {CID[0]}.2 {'0' * 64}\r\n",
            f"550 5.7.1 XQDENIED {CID[0]}.2\r\n",
        ),
        refused(
            "cancel-reconciling",
            "no cancel during reconciliation",
            f"XQCANCEL {xid} {'0' * 64}\r\n",
            f"451 4.3.0 XQRECON {xid}\r\n",
            start="recon",
        ),
        refused(
            "journal-digest",
            "rows that are not what the digest says",
            f"XQJRNL 1 2 3 {'0' * 64}\r\nabc",
            "554 5.6.0 XQDIGEST -\r\n",
        ),
        refused(
            "journal-no-row", "rows that do not parse", f"XQJRNL 1 2 3 {sha('abc')}\r\nabc", "555 5.5.4 XQPARAM -\r\n"
        ),
        *(_bad_rows(xid)),
    ]


def _version_zero(xid: str) -> Group:
    group = Group(xid)
    group.octets = group.octets.replace("XQMETA 1 ", "XQMETA 0 ")
    return group


def _bad_rows(xid: str) -> list[dict[str, Any]]:
    row = f"2 FIN {xid} - 5 R=delivered\r\n"
    bad = {
        "below-after": (2, 3, row),
        "above-last": (0, 1, row),
        "not-ascending": (1, 9, row + row),
        "after-above-last": (9, 1, ""),
        "key-twice": (1, 2, row.replace("\r\n", " R=dropped\r\n")),
        "unknown-state": (1, 2, row.replace("FIN", "GONE")),
        "no-end": (1, 2, row.removesuffix("\r\n")),
        "too-long": (1, 2, row.replace("\r\n", f" WHY={'x' * 990}\r\n")),
    }
    return [
        refused(
            f"journal-{name}",
            "the rows are refused as a whole",
            f"XQJRNL {after} {last} {len(payload)} {sha(payload)}\r\n{payload}",
            "555 5.5.4 XQPARAM -\r\n",
        )
        for name, (after, last, payload) in bad.items()
    ]


def framings() -> list[dict[str, Any]]:
    group = Group(f"{CID[0]}.1", body="x" * 20 + "\r\n")
    over = Group(f"{CID[0]}.1", body="x" * 900)
    head = group.commands + group.meta
    mail, mail_rcpt, no_parse = "250 2.1.0\r\n", "250 2.1.0\r\n250 2.1.5\r\n", "a command does not parse"
    return [
        framing("mail-no-path", "MAIL without a path", "MAIL FROM:a@example.org\r\n", "", no_parse),
        framing("bare-cr-in-line", "a control character in a line", "NOOP\rX\r\n", "", no_parse),
        framing("not-a-verb", "no verb", ":\r\n", "", no_parse),
        framing(
            "lower-case",
            "verbs are upper case",
            group.octets.replace("BDAT", "bdat"),
            plain(),
            "not a command of a group",
        ),
        framing(
            "verb-in-group",
            "a control command inside a group",
            group.commands + "NOOP\r\n",
            mail_rcpt,
            "not a command of a group",
        ),
        framing(
            "quit-in-group", "QUIT inside a group", group.commands + "QUIT\r\n", mail_rcpt, "not a command of a group"
        ),
        framing("mail-in-group", "MAIL inside a group", group.mail + group.octets, mail, "not a command of a group"),
        framing("data", "DATA does not exist", group.commands + "DATA\r\n", mail_rcpt, "not a command of a group"),
        framing("rcpt-first", "RCPT outside a group", "RCPT TO:<b@example.com>\r\n", "", "verb out of order"),
        framing("ehlo-late", "EHLO after XQHELLO", "EHLO gw1.example\r\n", "", "verb out of order"),
        framing("hello-late", "XQHELLO while a unit is unanswered", HELLO, "", "XQHELLO while units are unanswered"),
        framing("rcpt-late", "RCPT behind XQMETA", head + "RCPT TO:<c@example.com>\r\n", plain(), "RCPT behind XQMETA"),
        framing("meta-twice", "two XQMETA", head + group.meta, plain(), "XQMETA twice"),
        framing("no-meta", "BDAT without XQMETA", group.commands + "BDAT 0 LAST\r\n", mail_rcpt, "BDAT before XQMETA"),
        framing(
            "meta-line",
            "XQMETA without its length: nobody knows where it ends",
            group.commands + "XQMETA 1 x\r\n",
            mail_rcpt,
            no_parse,
        ),
        framing(
            "meta-too-long",
            "metadata over META",
            group.commands + f"XQMETA 1 201 {'0' * 64}\r\n",
            mail_rcpt,
            "metadata over META",
            limits=SMALL,
        ),
        framing(
            "bdat-short",
            "BDAT says less than follows: the rest is read as a command",
            head + "BDAT 18\r\n" + group.body,
            plain() + "250 2.0.0\r\n",
            "not a command of a group",
        ),
        framing(
            "bdat-long",
            "BDAT says more than follows: the next line is swallowed",
            head + "BDAT 24\r\n" + group.body + "12BDAT x\r\n",
            plain() + f"554 5.6.0 XQDIGEST {group.xid}\r\n",
            no_parse,
        ),
        framing(
            "bdat-huge",
            "a chunk over 2 x MAX",
            head + "BDAT 2001\r\n",
            plain(),
            "over twice the size limit",
            limits=SMALL,
        ),
        framing(
            "rcpt-flood",
            "over 2 x RCPT recipients",
            group.mail + group.rcpts[0] * 5,
            mail + "250 2.1.5\r\n" * 2 + f"452 4.5.3 XQRCPTS {group.xid}\r\n503 5.5.1 XQGROUP\r\n",
            "too many RCPT",
            limits=SMALL,
        ),
        framing("line-too-long", "a command line over 2,048 octets", "NOOP" + " " * 2050, "", "line too long"),
        framing("window", "more units than WIN", "NOOP\r\n" * 4, "250 2.0.0 XQOK\r\n" * 3, "over WIN", limits=SMALL),
        framing(
            "window-bytes",
            "more octets than WBYTES, and not alone",
            over.octets,
            plain(),
            "over WBYTES",
            limits=SMALL | {"window_bytes": 1500},
        ),
        framing(
            "journal-too-large", "rows over 1 MiB", f"XQJRNL 1 2 1048577 {'0' * 64}\r\n", "", "XQJRNL is too large"
        ),
    ]


def broken() -> list[dict[str, Any]]:
    group, second = Group(f"{CID[0]}.1"), Group(f"{CID[1]}.1")
    ended = {"client_event": "end", "keyword": "", "refused": False}

    def bad(name: str, about: str, replies: str, *rest: Turn) -> dict[str, Any]:
        turns = [group.call(), second.call(), c(group.octets + second.octets), s(replies), *(rest or (ended,))]
        return case(name, about, turns, ends=["client"])

    acc = "250 2.0.0 XQACC 3 9"
    named = {"client_event": "end", "refused": False}
    return [
        bad("other-id", "the reply to the second unit comes first", plain() + on_wire(second.xid, acc)),
        bad("unknown-keyword", "a keyword nobody knows", plain() + f"250 2.0.0 XQMAYBE {group.xid}\r\n"),
        bad("no-keyword", "a deciding reply without keyword", plain() + "250 2.0.0\r\n"),
        bad("wrong-codes", "the codes of something else", plain() + f"451 4.3.0 XQACC {group.xid} 3 9\r\n"),
        bad("wrong-verb", "XQCANC does not decide a group", plain() + on_wire(group.xid, "250 2.0.0 XQCANC 3 9")),
        bad("no-numbers", "XQACC without incarnation and number", plain() + f"250 2.0.0 XQACC {group.xid}\r\n"),
        bad("no-id", "a verdict without id", plain() + "451 4.3.0 XQSTORE\r\n"),
        bad("many-lines", "a deciding reply of two lines", plain() + f"250-2.0.0 XQACC {group.xid} 3 9\r\n"),
        bad("garbage", "no reply at all", "hello\r\n"),
        bad("long-line", "a reply line over 1,024 octets", "250 2.1.0 XQ" + "A" * 1100),
        bad(
            "fault-in-group",
            "the plain replies of a refused group are read over; the last one decides",
            f"555 5.5.4 XQPARAM -\r\n{'503 5.5.1 XQGROUP' + chr(13) + chr(10)}" * 1
            + "503 5.5.1 XQGROUP\r\n555 5.5.4 XQPARAM -\r\n"
            + plain()
            + on_wire(second.xid, acc),
            answered(group.xid, "555 5.5.4 XQPARAM"),
            answered(second.xid, acc),
        ),
        bad(
            "frame",
            "the server lost the framing at the second unit",
            plain() + on_wire(group.xid, acc) + "500 5.5.2 XQFRAME - over WIN\r\n",
            answered(group.xid, acc),
            named | {"keyword": "XQFRAME"},
        ),
        bad(
            "closing",
            "421 between the replies of a group",
            "250 2.1.0\r\n421 4.3.2 XQCLOSING -\r\n",
            named | {"keyword": "XQCLOSING"},
        ),
        bad("fenced", "the instance was replaced", "421 4.3.2 XQFENCED -\r\n", named | {"keyword": "XQFENCED"}),
        case("reply-to-nothing", "a reply that nothing asked for", [s("250 2.0.0 XQOK\r\n"), ended], ends=["client"]),
        case(
            "end-unasked",
            "an idle session is closed",
            [s("421 4.3.2 XQCLOSING -\r\n"), named | {"keyword": "XQCLOSING"}],
            ends=["client"],
        ),
    ]


def metadata() -> list[dict[str, Any]]:
    xid = f"{CID[0]}.1"
    base: dict[str, Any] = {
        "v": 1,
        "min": 1,
        "xid": xid,
        "origin": {
            "serial": GW1,
            "host": "gw1.example",
            "ip": "10.10.20.1",
            "mid": 101,
            "icid": 7,
            "listener": "IncomingMail",
            "at": 1795490000000,
        },
        "client": {
            "ip": "192.0.2.1",
            "port": 50123,
            "helo": "mail.example.org",
            "rdns": "mail.example.org",
            "rdns_ok": True,
            "auth": "",
            "tls": None,
        },
        "trace": [
            {
                "from_helo": "mail.example.org",
                "from_ip": "192.0.2.1",
                "rdns": "mail.example.org",
                "by": "gw1.example",
                "with": "ESMTP",
                "id": "101",
                "at": 1795490000000,
            }
        ],
        "policy": {"name": "DEFAULT", "table": "inbound", "version": 1},
        "quarantines": [
            {
                "name": "Policy",
                "kind": "policy",
                "reasons": ["content filter a"],
                "received": 1795490000000,
                "exit": 1795576400000,
                "default": "delete",
            }
        ],
    }
    signed = json.dumps({"xid": f"{CID[0]}.2", "to": GW1})
    release = {
        "mid": 4411,
        "serial": SMA,
        "ip": "10.10.20.9",
        "out": [{"name": "Policy", "cause": "manual", "actor": "anna", "held_s": 60}],
        "rescan": ["virus"],
        "may_duplicate": False,
        "cert": {"signed": signed, "key": "00" * 32, "sig": "A" * 88},
    }
    back = base | {"xid": f"{CID[0]}.2", "release": release}

    def text(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8").decode("latin-1")

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in base.items() if key != name}

    def quarantine(**changed: Any) -> dict[str, Any]:
        return base | {"quarantines": [base["quarantines"][0] | changed]}

    def bare(name: str) -> dict[str, Any]:
        return base | {"quarantines": [{k: v for k, v in base["quarantines"][0].items() if k != name}]}

    whole = text(base)
    good = {
        "hold": (1, whole),
        "release": (2, text(back)),
        "hop-3": (
            3,
            text(
                base
                | {"xid": f"{CID[0]}.3", "history": [{"hop": 1, "serial": SMA, "mid": 1, "at": 2, "ended": "released"}]}
            ),
        ),
        "blanks": (1, json.dumps(base, indent=1)),
        "other-order": (1, text(dict(reversed(base.items())))),
        "unknown-top-level": (1, text(base | {"future": {"a": [1, "\u00fc", None, True]}})),
        "unknown-nested": (1, text(base | {"policy": base["policy"] | {"group": "x"}})),
        "newer-but-readable": (1, text(base | {"v": 2})),
        "integer-max": (1, text(base | {"future": 2**53 - 1})),
        "depth-8": (1, text(base | {"future": _nested(7)})),
        "utf8": (1, text(quarantine(name="Qu\u00e4rant\u00e4ne"))),
    }
    bad = {
        "not-json": (1, "{"),
        "not-an-object": (1, "[]"),
        "byte-order-mark": (1, "\u00ef\u00bb\u00bf" + whole),
        "not-utf8": (1, whole.replace("content filter a", "content filter \u00fc")),
        "not-utf8-in-unknown": (1, whole[:-1] + ',"future":"\u00ff"}'),
        "lone-surrogate": (1, whole[:-1] + ',"future":"\\ud800"}'),
        "name-twice": (1, whole[:-1] + ',"v":1}'),
        "name-twice-nested": (1, whole.replace('"port":50123', '"port":50123,"port":50124')),
        "name-twice-in-unknown": (1, whole[:-1] + ',"future":{"a":1,"a":2}}'),
        "fraction": (1, whole[:-1] + ',"future":1.5}'),
        "exponent": (1, whole[:-1] + ',"future":1e3}'),
        "fraction-known": (1, whole.replace('"port":50123', '"port":50123.0')),
        "integer-too-large": (1, text(base | {"future": 2**53})),
        "integer-too-large-known": (1, whole.replace('"port":50123', f'"port":{2**53}')),
        "depth-9": (1, text(base | {"future": _nested(8)})),
        "depth-bomb": (1, whole[:-1] + ',"future":' + "[" * 20000 + "]" * 20000 + "}"),
        "too-long-odd": (1, text(base | {"future": "x" * 49152})),
        "too-long-even": (2, text(back | {"future": "x" * 65536})),
        "other-hop": (3, whole),
        "release-on-odd-hop": (1, text(base | {"release": release})),
        "no-release-on-even-hop": (2, text(base | {"xid": f"{CID[0]}.2"})),
        "no-quarantine": (1, text(base | {"quarantines": []})),
        "kind": (1, text(quarantine(kind="other"))),
        "default": (1, text(quarantine(default="keep"))),
        "threat-level": (1, text(quarantine(outbreak={"id": "r", "level": 6}))),
        "list-too-long": (1, text(quarantine(reasons=["r"] * 17))),
        "text-too-long": (1, text(quarantine(reasons=["r" * 257]))),
        "serial": (1, text(base | {"origin": base["origin"] | {"serial": "X"}})),
        "table": (1, text(base | {"policy": base["policy"] | {"table": "both"}})),
        "min-zero": (1, text(base | {"min": 0})),
        "version-text": (1, text(base | {"v": "1"})),
    }
    bad |= {f"without-{name}": (1, text(without(name))) for name in base}
    bad |= {f"quarantine-without-{name}": (1, text(bare(name))) for name in base["quarantines"][0]}
    newer = {
        "min-2": (1, text(base | {"v": 2, "min": 2})),
        "min-2-other-shape": (1, text({"v": 2, "min": 2, "xid": 5})),
    }
    return [
        {"name": name, "hop": hop, "octets": octets, "result": result}
        for result, cases in (("good", good), ("bad", bad), ("newer", newer))
        for name, (hop, octets) in cases.items()
    ]


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


FILES = {
    "start": start,
    "hello": hello,
    "dialogues": dialogues,
    "verdicts": verdicts,
    "faults": faults,
    "framing": framings,
    "broken": broken,
    "metadata": metadata,
}


def file_text(name: str) -> str:
    return json.dumps({"format": 1, "cases": FILES[name]()}, indent=1) + "\n"


if __name__ == "__main__":
    for each in FILES:
        (Path(__file__).parent / f"{each}.json").write_text(file_text(each), encoding="ascii")
