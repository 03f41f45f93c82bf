"""What a client must not believe."""

from typing import Any

from tests.vectors.generator.words import (
    CID,
    Case,
    Group,
    Turn,
    answered,
    c,
    case,
    on_wire,
    plain,
    s,
)

group, second = Group(f"{CID[0]}.1"), Group(f"{CID[1]}.1")
ended = {"client_event": "end", "keyword": "", "refused": False}


def bad(name: str, about: str, replies: str, *rest: Turn) -> dict[str, Any]:
    turns = [group.call(), second.call(), c(group.octets + second.octets), s(replies), *(rest or (ended,))]
    return case(name, about, turns, ends=["client"])


acc = "250 2.0.0 XQACC 3 9"
named = {"client_event": "end", "refused": False}
CASES: list[Case] = [
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
