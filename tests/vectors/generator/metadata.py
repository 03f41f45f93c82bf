"""Metadata that is and is not valid."""

import json
from typing import Any

from tests.vectors.generator.words import CID, GW1, SMA, Case


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


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
    "depth-bomb": (1, [whole[:-1] + ',"future":', ["[", 20000], ["]", 20000], "}"]),
    "too-long-odd": (1, [whole[:-1] + ',"future":"', ["x", 49152], '"}']),
    "too-long-even": (2, [text(back)[:-1] + ',"future":"', ["x", 65536], '"}']),
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
CASES: list[Case] = [
    {"name": name, "hop": hop, "octets": octets if isinstance(octets, list) else [octets], "result": result}
    for result, cases in (("good", good), ("bad", bad), ("newer", newer))
    for name, (hop, octets) in cases.items()
]
