"""The words that the vectors are written in: octets of groups and replies, turns of a dialogue (README.md).

Characters stand for octets (ISO 8859-1).
"""

import base64
import hashlib
from typing import Any

Turn = dict[str, Any]
Case = dict[str, Any]

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
NEXT = base64.b64encode(b"the next certificate of the client, in DER").decode()
SMA_NEXT = "3e" * 32  # SHA-256 of the server's next one
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
    """One message group as octets; what is given replaces what would be right."""

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


def case(name: str, about: str, turns: list[Turn], **more: Any) -> Case:
    return {"name": name, "about": about, "start": "hello", "ends": ["client", "server"], "turns": turns} | more


def refused(name: str, about: str, octets: str, reply: str, **more: Any) -> Case:
    """The server refuses by itself; the session goes on, which NOOP shows."""
    turns = [c(octets), s(reply), c("NOOP\r\n"), s("250 2.0.0 XQOK\r\n")]
    return case(name, about, turns, ends=["server"], **more)


def framing(name: str, about: str, octets: str, due: str, why: str, **more: Any) -> Case:
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


def hello_reply(
    first: str, *more: str, code: str = "250", enhanced: str = "2.0.0", limit: str = LIMIT, pairs: str = ""
) -> str:
    lines = [first, SELF + pairs, limit, "XQSPACE FREE=81230000000 LEVEL=OK", *more, MARK]
    return "".join(f"{code}{' ' if line == MARK else '-'}{enhanced} {line}\r\n" for line in lines)


# --- files ---------------------------------------------------------------------------------------------------------
