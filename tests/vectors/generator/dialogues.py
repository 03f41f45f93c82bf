"""The dialogues of docs/cpq.md, and units that a server must know."""

from typing import Any

from tests.vectors.generator.words import (
    CID,
    GW1,
    GW2,
    LIMIT,
    MARK,
    SELF,
    SMALL,
    Case,
    Group,
    Turn,
    answered,
    c,
    case,
    decide,
    on_wire,
    plain,
    s,
    sha,
)

one = Group(f"{CID[0]}.1", dsn=True, rcpts=["RCPT TO:<b@example.com> NOTIFY=FAILURE ORCPT=rfc822;b@example.com\r\n"])
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


def show(name: str, about: str, xid: str, row: dict[str, Any] | None, text: str, **more: Any) -> dict[str, Any]:
    reply = f"250 2.0.0 XQSHOWN {text}"
    turns = [
        {"client_call": "show", "xid": xid},
        c(f"XQSHOW {xid}\r\n"),
        {"server_event": "show", "unit": 0, "xid": xid},
        {"server_answer": "show", "unit": 0, "row": row},
        s(on_wire(xid, reply)),
        answered(xid, reply),
    ]
    return case(name, about, turns, **more)


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
stat_in_part = "".join(
    f"250-2.0.0 {line}\r\n"
    for line in (
        SELF,
        LIMIT,
        "XQSPACE FREE=81230000000 LEVEL=OK",
        "XQCHECK - service NO Resume+20the+20manager",
        "XQCHECK - weather NO Wait+20for+20spring",
    )
)
CASES: list[Case] = [
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
    show(
        "show-row",
        "the server's own row of one transfer",
        f"{CID[1]}.2",
        reled_row,
        reled.rstrip().replace("+20", "+20"),
    ),
    show("show-none", "a transfer that the server knows nothing of", f"{CID[2]}.1", None, "NONE"),
    show("show-rolled", "who was set back may ask", f"{CID[2]}.1", None, "NONE", start="rolled"),
    case(
        "show-recon",
        "who was set back itself cannot testify",
        [c(f"XQSHOW {CID[2]}.1\r\n"), s(f"451 4.3.0 XQRECON {CID[2]}.1\r\n")],
        ends=["server"],
        start="recon",
    ),
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
        "readiness-in-part",
        "a server has a line for what it can find out and no other; a client keeps a name that it does not know",
        [
            {"client_call": "stat", "members": []},
            c("XQSTAT\r\n"),
            {"server_event": "stat", "unit": 0, "members": []},
            {
                "server_answer": "stat",
                "unit": 0,
                "checks": [["service", "NO", "Resume the manager"], ["weather", "NO", "Wait for spring"]],
            },
            s(stat_in_part + f"250 2.0.0 {MARK}\r\n"),
            {
                "client_event": "stat",
                "checks": [["service", "NO", "Resume the manager"], ["weather", "NO", "Wait for spring"]],
            },
        ],
        start="suspended",
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
            c(f"XQFETCH 5\r\nXQORDER {CID[0]} RELEASE Q=Outbreak\r\nDATA\r\nRSET\r\nNOOP\r\n"),
            s("502 5.5.1\r\n" * 4 + "250 2.0.0 XQOK\r\n"),
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
