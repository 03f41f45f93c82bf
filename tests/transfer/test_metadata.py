import timeit

import msgspec
import pytest

from pratique.transfer import metadata as m
from tests.transfer.support import GW, SMA, xid

CERT = m.Certificate(signed="{}", key="00" * 32, sig="A" * 88)
RELEASE = m.Release(
    mid=4411,
    serial=SMA.serial,
    ip="10.10.20.9",
    out=(m.Out(name="Policy", cause="manual", actor="anna", held_s=60),),
    rescan=("virus",),
    cert=CERT,
)
ENTRY = m.HistoryEntry(hop=1, serial=SMA.serial, mid=5, at=6, ended="released")
TRACE = m.Trace(from_helo="mail.example.org", from_ip="192.0.2.1", by="gw1.example", with_="ESMTPS", id="101", at=7)
HOLD = m.QuarantineRef(
    name="Policy", kind="policy", reasons=("content filter a",), received=8, exit=9, default="delete"
)


def example(**changed: object) -> m.Metadata:
    fields: dict[str, object] = {
        "xid": xid(1),
        "origin": m.Origin(
            serial=GW.serial, host="gw1.example", ip="10.10.20.1", mid=101, icid=7, listener="IncomingMail", at=1
        ),
        "client": m.Client(ip="192.0.2.1", port=5, helo="mail.example.org", tls=m.Tls(version="TLSv1.3", cipher="AES")),
        "trace": (TRACE,),
        "policy": m.PolicyRef(name="DEFAULT", table="inbound"),
        "quarantines": (HOLD,),
        "verdicts": (m.VerdictRef(engine="clamav", version="1.4", result="clean"),),
        "auth": ({"method": "spf", "result": "pass", "identity": "example.org"},),
        "changes": (m.Change(op="add-header", name="X-A", value="b", by="filter a"),),
        "judged": ("filters", "virus"),
    }
    return m.Metadata(**(fields | changed))  # type: ignore[arg-type]


def test_everything_comes_back() -> None:
    for hop, changed in (
        (1, {}),
        (2, {"release": RELEASE, "history": (ENTRY,)}),
        (3, {"copy": True, "parent": "a" * 32}),
    ):
        before = example(xid=xid(1, hop), **changed)
        assert m.decode(m.encode(before), hop=hop, xid=xid(1, hop)) == before


def test_unknown_top_level_fields_go_on() -> None:
    octets = m.encode(example(unknown={"future": {"a": [1, None]}}))
    found = m.decode(octets, hop=1)
    assert found.unknown == {"future": {"a": [1, None]}}
    assert m.encode(found) == octets


def test_the_id_must_be_the_transfer_s() -> None:
    with pytest.raises(m.MetadataError, match="xid"):
        m.decode(m.encode(example()), hop=1, xid=xid(2))
    octets = m.encode(example()).replace(xid(1).encode(), b"x" * 34)
    with pytest.raises(m.MetadataError, match="not a transfer id"):
        m.decode(octets, hop=1)


def test_lists_and_texts_over_their_limit_are_cut_and_marked_where_it_happened() -> None:
    hold = m.QuarantineRef(name="Policy", kind="policy", reasons=("r" * 300,) * 17, received=8)
    found = m.decode(m.encode(example(quarantines=(HOLD, hold))), hop=1)
    assert (found.quarantines[0].cut, found.quarantines[1].cut, found.cut) == (False, True, False)
    assert found.quarantines[1].reasons == ("r" * 256,) * 16
    tls = m.Tls(version="1", cipher="x", subject="s" * 300)
    client = m.Client(ip="192.0.2.1", port=5, helo="h" * 300, tls=tls)
    found = m.decode(m.encode(example(client=client, trace=(TRACE,) * 11)), hop=1)
    assert (found.cut, len(found.trace), found.client.helo) == (True, 10, "h" * 255)
    assert found.client.tls is not None
    assert found.client.tls.subject == "s" * 255


def test_too_much_for_the_hop_loses_matches_and_reasons_first() -> None:
    matched = tuple(m.Matched(part="body", text="\u00e4" * 256) for _ in range(20))
    hold = m.QuarantineRef(name="Policy", kind="policy", reasons=("\u00e4" * 256,) * 16, matched=matched, received=8)
    octets = m.encode(example(quarantines=(hold,) * 32))
    assert len(octets) <= m.OCTETS_MAX_ODD
    found = m.decode(octets, hop=1)
    assert all(q.cut and q.reasons for q in found.quarantines)
    assert len(found.quarantines) == 32
    assert found.verdicts == example().verdicts


@pytest.mark.parametrize(
    "changed",
    [
        {"xid": "x"},
        {"quarantines": ()},
        {"quarantines": (m.QuarantineRef(name="n" * 129, kind="policy", reasons=(), received=1),)},
        {"quarantines": (m.QuarantineRef(name="Policy", kind="spam", reasons=(), received=1),)},
        {"release": RELEASE},
        {"auth": ({"method": "arc", "result": "pass"},)},
        {"changes": (m.Change(op="delete"),)},
        {"unknown": {"future": "x" * 50_000}},
        {"v": 1, "min": 2},
    ],
)
def test_what_the_peer_would_refuse_is_not_sent(changed: dict[str, object]) -> None:
    with pytest.raises(m.MetadataError):
        m.encode(example(**changed))


def test_a_cause_that_nobody_knows_is_refused() -> None:
    out = m.Out(name="Policy", cause="whim", actor="anna", held_s=1)
    release = msgspec.structs.replace(RELEASE, out=(out,))
    with pytest.raises(m.MetadataError, match="cause"):
        m.encode(example(xid=xid(1, 2), release=release))


def test_the_next_hop_keeps_unknown_fields_at_every_depth() -> None:
    octets = m.encode(example()).replace(b'"table":"inbound"', b'"table":"inbound","group":{"deep":1}')
    octets = octets[:-1] + b',"future":"\xc3\xa4"}'
    back = m.forwarded(octets, xid=xid(1, 2), release=RELEASE, history=ENTRY)
    assert b'"group":{"deep":1}' in back
    assert b'"future":"\xc3\xa4"' in back
    found = m.decode(back, hop=2)
    assert (found.release, found.history, found.trace) == (RELEASE, (ENTRY,), (TRACE,))
    added = m.Change(op="subject-prepend", value="[x] ")
    again = m.decode(
        m.forwarded(back, xid=xid(1, 3), release=None, trace=TRACE, history=ENTRY, changes=(added,)), hop=3
    )
    assert (again.release, again.history, again.trace) == (None, (ENTRY, ENTRY), (TRACE, TRACE))
    assert again.changes == (*example().changes, added)


def test_the_next_hop_drops_the_oldest_entries_and_never_a_change() -> None:
    full = m.encode(example(history=(ENTRY,) * 10))
    newest = m.HistoryEntry(hop=9, serial=SMA.serial, mid=5, at=6, ended="released")
    found = m.decode(m.forwarded(full, xid=xid(1, 3), release=None, history=newest), hop=3)
    assert (found.cut, len(found.history), found.history[-1]) == (True, 10, newest)
    with pytest.raises(m.MetadataError):
        m.forwarded(full, xid=xid(1, 3), release=None, changes=example().changes * 32)


def test_both_ways_cost_little() -> None:
    """The bar is 25 microseconds for both on a quiet machine; ten times that means a change of kind."""
    value, octets = example(), m.encode(example())
    cost = min(timeit.repeat(lambda: (m.encode(value), m.decode(octets, hop=1)), number=200, repeat=3)) / 200
    assert cost < 250e-6


def test_a_duplicate_has_its_own_id_and_names_its_parent_and_nothing_else_changes() -> None:
    octets = m.encode(example(unknown={"future": [1]}))
    found = m.decode(m.of_child(octets, xid=xid(2, 1), parent=xid(1)[:32]), hop=1)
    assert (found.xid, found.parent, found.copy) == (xid(2, 1), xid(1)[:32], True)
    assert found == example(xid=xid(2, 1), parent=xid(1)[:32], copy=True, unknown={"future": [1]})
    held_again = m.encode(example(xid=xid(1, 3)))
    assert m.decode(m.of_child(held_again, xid=xid(2, 3), parent="ab" * 16), hop=3).copy
    with pytest.raises(m.MetadataError, match="release belongs on even hops"):
        m.of_child(octets, xid=xid(2, 2), parent="ab" * 16)


def test_what_goes_on_is_as_our_writer_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow, exact reader is for what others wrote; a hop of ours must never need it."""
    monkeypatch.setattr(m, "read_object", lambda octets: pytest.fail("read slowly"))
    there = m.encode(example())
    back = m.forwarded(there, xid=xid(1, 2), release=RELEASE, history=ENTRY)
    assert m.decode(back, hop=2).release == RELEASE
    again = m.forwarded(back, xid=xid(1, 3), release=None, trace=TRACE, history=ENTRY)
    assert m.decode(again, hop=3).release is None
    assert m.decode(m.of_child(there, xid=xid(2, 1), parent="1" * 32), hop=1).copy
