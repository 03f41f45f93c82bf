"""The conformance vectors of tests/vectors, run against both of our ends, whole and in fragments."""

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.transfer import events
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import Hello, HelloReply, Keyword, Limits, Row, SealedGroup, Verdict
from pratique.transfer.metadata import MetadataError, decode
from pratique.transfer.server import ServerConnection
from tests.vectors import make

VECTORS = Path(__file__).parent.parent / "vectors"
DIALOGUES = ("start", "hello", "dialogues", "verdicts", "faults", "framing", "broken")
FRAGMENTS = ("whole", "octets", "random")
SMA = Hello("MANAGER0000000000007", "a0" * 16, 3, 4410, 1, 812, 1795490000012)
GW1 = Hello("GATEWAY0000000000001", "5c" * 16, 1, 812, 3, 4410, 1795490000000)
HELLO_PAIRS = f" V=1 SERIAL={GW1.serial} NONCE={GW1.nonce} INC=1 SEQ=812 PINC=3 PSEQ=4410 T=1\r\n".encode()
STATES = {"hello": Keyword.READY, "suspended": Keyword.SUSPENDED, "recon": Keyword.RECON, "rolled": Keyword.ROLLED}
TOLD_BY_THE_WAY = (events.GroupBegun, events.GroupRefused)


def cases(end: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{name}-{case['name']}")
        for name in DIALOGUES
        for case in json.loads((VECTORS / f"{name}.json").read_text())["cases"]
        if end in case["ends"]
    ]


def fragments(octets: str, how: str) -> Iterator[bytes]:
    data = octets.encode("latin-1")
    chance = random.Random(len(data))
    step = {"whole": len(data), "octets": 1}.get(how, 0)
    while data:
        size = step or chance.randint(1, 40)
        yield data[:size]
        data = data[size:]


def limits_of(case: dict[str, Any]) -> Limits:
    return Limits(**case.get("limits", {}))


def reply_of(turn: dict[str, Any], limits: Limits) -> HelloReply:
    return HelloReply(
        Keyword(turn["keyword"]),
        replace(SMA, next=base64.b64decode(turn.get("next", "")), trusts=turn.get("trusts", "")),
        limits,
        why=turn.get("why", ""),
        free_bytes=81_230_000_000,
        suspended_quarantines=tuple(turn.get("suspended_quarantines", ())),
        watermark=4380,
        journal_in=790,
        journal_out=4402,
        audit_head="99" * 32,
        checks=tuple(tuple(check) for check in turn.get("checks", ())),
    )


# --- our server against the client's octets --------------------------------------------------------------------
class ServerRun:
    def __init__(self, case: dict[str, Any], how: str) -> None:
        self.how = "whole" if case.get("whole") else how
        self.limits = limits_of(case)
        self.core = ServerConnection(hostname="sma.example", limits=self.limits, side=case.get("side", "manager"))
        self.told: list[dict[str, Any]] = []
        self.bodies: dict[int, bytes] = {}
        self.core.greet()
        if case["start"] != "clear":
            self.begin(STATES.get(case["start"]))

    def begin(self, state: Keyword | None) -> None:
        core = self.core
        core.receive_data(b"STARTTLS\r\n")
        core.tls_started(enrolled=True)
        core.receive_data(b"EHLO gw1.example\r\n")
        if state is not None:
            core.receive_data(b"XQHELLO" + HELLO_PAIRS)
            core.answer_hello(HelloReply(state, SMA, self.limits))
        core.data_to_send()
        while core.next_event() is not None:
            pass

    def collect(self) -> None:
        while (event := self.core.next_event()) is not None:
            if isinstance(event, events.BodyChunk):
                self.bodies[event.unit] = self.bodies.get(event.unit, b"") + event.data
            elif not isinstance(event, TOLD_BY_THE_WAY):
                self.told.append(self.plain(event))

    def plain(self, event: events.ServerEvent) -> dict[str, Any]:
        match event:
            case events.StartTls():
                return {"server_event": "starttls"}
            case events.SecureEhlo():
                return {"server_event": "ehlo"}
            case events.HelloGiven(hello):
                fields = {name: getattr(hello, name) for name in Hello.__slots__}
                lists = {name: list(fields[name] or ()) for name in ("capabilities", "old", "told")}
                fields["next"] = base64.b64encode(hello.next).decode()
                return {"server_event": "hello"} | fields | lists
            case events.GroupEnded(unit, group):
                fields = {name: getattr(group, name) for name in ("xid", "size", "sha256", "seq", "seal")}
                body = self.bodies.pop(unit, b"").decode("latin-1")
                return (
                    {"server_event": "group", "unit": unit, "body": body}
                    | fields
                    | {"metadata": group.metadata.decode("latin-1")}
                )
            case events.CancelGiven(unit, xid, seal):
                return {"server_event": "cancel", "unit": unit, "xid": xid, "seal": seal}
            case events.ConfirmGiven(unit, seq):
                return {"server_event": "confirm", "unit": unit, "seq": seq}
            case events.JournalGiven(unit, after, last, rows):
                told = [plain_row(row) for row in rows]
                return {"server_event": "journal", "unit": unit, "after": after, "last": last, "rows": told}
            case events.ShowGiven(unit, xid):
                return {"server_event": "show", "unit": unit, "xid": xid}
            case events.StatGiven(unit, members):
                return {"server_event": "stat", "unit": unit, "members": list(members)}
            case events.ServerEnded(clean):
                return {"server_event": "end", "clean": clean}
        raise AssertionError(event)

    def turn(self, turn: dict[str, Any]) -> None:
        if "client" in turn:
            for piece in fragments(turn["client"], self.how):
                self.core.receive_data(piece)
                self.collect()
        elif "server" in turn:
            assert self.core.data_to_send().decode("latin-1") == turn["server"]
        elif "tls" in turn:
            self.core.tls_started(enrolled=turn.get("enrolled", True))
        elif "server_answer" in turn:
            self.answer(turn)
            self.collect()
        elif "server_event" in turn:
            assert self.told, f"nothing was told, {turn['server_event']} is due"
            told = self.told.pop(0)
            assert {key: told.get(key) for key in turn} == turn

    def answer(self, turn: dict[str, Any]) -> None:
        core = self.core
        match turn["server_answer"]:
            case "verdict":
                code, enhanced, keyword, *words = turn["reply"].split(" ")
                core.answer(turn["unit"], Verdict(int(code), enhanced, Keyword(keyword), tuple(words)))
            case "hello":
                core.answer_hello(reply_of(turn, self.limits))
            case "journal":
                core.answer_journal(turn["unit"], turn["applied"], gap=turn["gap"])
            case "show":
                row = turn["row"]
                core.answer_show(turn["unit"], row and Row(**(row | {"pairs": tuple(row["pairs"].items())})))
            case "confirmed":
                core.answer_confirmed(turn["unit"])
            case "stat":
                core.answer_stat(turn["unit"], reply_of(turn | {"keyword": "XQREADY"}, self.limits))


def plain_row(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Row.__slots__} | {"pairs": dict(row.pairs)}


@pytest.mark.parametrize("how", FRAGMENTS)
@pytest.mark.parametrize("case", cases("server"))
def test_server(case: dict[str, Any], how: str) -> None:
    run = ServerRun(case, how)
    for turn in case["turns"]:
        run.turn(turn)
    assert run.told == []
    assert run.core.data_to_send() == b""


# --- our client against the server's octets --------------------------------------------------------------------
class ClientRun:
    def __init__(self, case: dict[str, Any], how: str) -> None:
        self.how = "whole" if case.get("whole") else how
        self.core = ClientConnection(hostname="gw1.example")
        self.told: list[dict[str, Any]] = []
        if case["start"] != "clear":
            self.begin(limits_of(case))

    def begin(self, limits: Limits) -> None:
        core = self.core
        core.receive_data(b"220 sma.example ESMTP\r\n250-sma.example\r\n250 STARTTLS\r\n220 2.0.0\r\n")
        core.tls_started()
        core.receive_data(b"250-sma.example\r\n250 XCPQ 1\r\n")
        core.hello(GW1)
        server = ServerRun({"start": "ehlo"}, "whole")
        core.data_to_send()  # EHLO, STARTTLS, EHLO, XQHELLO: checked by the cases that start in clear
        server.core.receive_data(b"XQHELLO" + HELLO_PAIRS)
        server.core.answer_hello(HelloReply(Keyword.READY, SMA, limits))
        core.receive_data(server.core.data_to_send())
        while core.next_event() is not None:
            pass

    def collect(self) -> None:
        while (event := self.core.next_event()) is not None:
            self.told.append(self.plain(event))

    def plain(self, event: events.ClientEvent) -> dict[str, Any]:
        match event:
            case events.TlsWanted():
                return {"client_event": "starttls"}
            case events.Secure():
                return {"client_event": "secure"}
            case events.HelloAnswered(reply):
                return {
                    "client_event": "hello",
                    "keyword": reply.keyword,
                    "serial": reply.me.serial,
                    "window": reply.limits.window,
                    "watermark": reply.watermark,
                    "next": base64.b64encode(reply.me.next).decode(),
                    "trusts": reply.me.trusts,
                }
            case events.UnitAnswered(token, xid, verdict):
                assert token == xid
                fields = {name: getattr(verdict, name) for name in Verdict.__slots__}
                return {"client_event": "unit", "xid": xid} | fields | {"words": list(verdict.words)}
            case events.StatAnswered(reply):
                return {"client_event": "stat", "checks": [list(check) for check in reply.checks]}
            case events.ClientEnded(_, keyword, refused):
                return {"client_event": "end", "keyword": keyword, "refused": refused}
        raise AssertionError(event)

    def turn(self, turn: dict[str, Any]) -> None:
        if "server" in turn:
            for piece in fragments(turn["server"], self.how):
                self.core.receive_data(piece)
                self.collect()
        elif "client" in turn:
            assert self.core.data_to_send().decode("latin-1") == turn["client"]
        elif "tls" in turn:
            self.core.tls_started()
        elif "client_call" in turn:
            self.call(turn)
        elif "client_event" in turn:
            assert self.told, f"nothing was told, {turn['client_event']} is due"
            told = self.told.pop(0)
            assert {key: told.get(key) for key in turn} == turn

    def call(self, turn: dict[str, Any]) -> None:
        core = self.core
        match turn["client_call"]:
            case "hello":
                core.hello(GW1 if not turn.get("endpoint") else hello_of(turn))
            case "group":
                commands, metadata, body = (turn[name].encode("latin-1") for name in ("commands", "metadata", "body"))
                group = SealedGroup(turn["xid"], commands, metadata, turn["seal"], len(body))
                core.send_group(turn["xid"], group, (body,))
            case "cancel":
                core.send_cancel(turn["xid"], turn["xid"], turn["seal"])
            case "confirm":
                core.send_confirm("-", turn["seq"])
            case "journal":
                rows = tuple(Row(**(row | {"pairs": tuple(row["pairs"].items())})) for row in turn["rows"])
                core.send_journal("-", turn["after"], rows, turn["last"])
            case "show":
                core.send_show(turn["xid"], turn["xid"])
            case "stat":
                core.send_stat(tuple(turn["members"]))
            case "quit":
                core.quit()


def hello_of(turn: dict[str, Any]) -> Hello:
    fields = {name: turn[name] for name in turn if name in Hello.__slots__}
    following = base64.b64decode(turn.get("next", ""))
    return Hello(**(fields | {"capabilities": tuple(turn["capabilities"]), "next": following}))


@pytest.mark.parametrize("how", FRAGMENTS)
@pytest.mark.parametrize("case", cases("client"))
def test_client(case: dict[str, Any], how: str) -> None:
    run = ClientRun(case, how)
    for turn in case["turns"]:
        run.turn(turn)
    assert run.told == []
    assert run.core.data_to_send() == b""


# --- metadata, and the files themselves --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{case['result']}-{case['name']}")
        for case in json.loads((VECTORS / "metadata.json").read_text())["cases"]
    ],
)
def test_metadata(case: dict[str, Any]) -> None:
    parts = [part if isinstance(part, str) else part[0] * part[1] for part in case["octets"]]
    octets = "".join(parts).encode("latin-1")
    if case["result"] == "good":
        assert decode(octets, hop=case["hop"]).xid.endswith(f".{case['hop']}")
        return
    with pytest.raises(MetadataError) as caught:
        decode(octets, hop=case["hop"])
    assert caught.value.newer == (case["result"] == "newer")


def test_files_are_what_the_generator_writes() -> None:
    assert {path.stem for path in VECTORS.glob("*.json")} == set(make.FILES)
    for name in make.FILES:
        assert (VECTORS / f"{name}.json").read_text() == make.file_text(name)
