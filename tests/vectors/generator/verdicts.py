"""Every reply that decides a group or a cancel."""

from tests.vectors.generator.words import CID, Case, Group, answered, c, case, decide, on_wire, plain, s

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


group = Group(f"{CID[0]}.1")
seal = "d0" * 32
CASES: list[Case] = [
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
CASES += [
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
    CASES.append(
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
