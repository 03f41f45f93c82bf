"""The demo's own judge: what counts as sent, what counts as the same, and that it can say no."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.front.demo_cycle import Cycle, Result, as_sent, is_same, read_folder
from pratique.front.demo_world import DemoFailed, Member, World

RECEIVED = b"Received: from a (b [192.0.2.1])\r\n\tby c with ESMTP id 1;\r\n\tTue, 24 Nov 2026 05:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("file", "sent"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\r\nb", b"a\r\nb\r\n"),
        (b"From x@y Mon\nSubject: s\n\nb\n", b"Subject: s\r\n\r\nb\r\n"),
        (b"a\rb\n", b"a\rb\r\n"),  # a bare CR is sent as it is, and counts as refused
        (b"a\0b\n", b"a\0b\r\n"),
        (b"\n", b"\r\n"),
        (b"", b"\r\n"),
        (b"x\n\n.\n..\n", b"x\r\n\r\n.\r\n..\r\n"),
    ],
)
def test_a_file_is_sent_as_the_contract_says(file: bytes, sent: bytes) -> None:
    assert as_sent(file) == sent


@given(st.binary(max_size=200))
def test_sending_a_sent_message_changes_nothing(octets: bytes) -> None:
    once = as_sent(octets)
    assert once.endswith(b"\r\n")
    if not once.startswith(b"From "):
        assert as_sent(once) == once


SENT = b"Subject: s\r\n\r\nbody\r\n"


@pytest.mark.parametrize("prefix", [b"", RECEIVED, RECEIVED * 3, RECEIVED + b"X-Possible-Duplicate: yes\r\n"])
def test_trace_headers_on_top_are_set_aside(prefix: bytes) -> None:
    assert is_same(SENT, prefix + SENT)


@pytest.mark.parametrize(
    "delivered",
    [
        b"",
        SENT + b"x",
        SENT[:-2],
        SENT.replace(b"body", b"bodY"),
        b"X-Other: 1\r\n" + SENT,
        b"\r\n" + SENT,
        RECEIVED[:-2] + SENT,
        SENT.replace(b"\r\n\r\n", b"\r\n" + RECEIVED + b"\r\n"),
    ],
)
def test_everything_else_is_a_change(delivered: bytes) -> None:
    assert not is_same(SENT, delivered)


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"sent": 3, "identical": 3}, True),
        ({"sent": 3, "identical": 2}, False),
        ({"sent": 3, "identical": 3, "lost": 1}, False),
        ({"sent": 3, "identical": 3, "doubled": 1}, False),
        ({"sent": 3, "identical": 3, "changed": 1}, False),
        ({}, True),
    ],
)
def test_a_result_can_say_no(fields: dict[str, int], good: bool) -> None:
    assert Result(**fields).good is good  # type: ignore[arg-type]


def test_the_json_has_the_keys_of_the_contract() -> None:
    wanted = ["sent", "held", "released", "delivered", "identical", "lost", "doubled", "changed", "refused", "seconds"]
    assert list(Result().to_json()) == wanted


def _cycle(tmp_path: Path, count: int) -> Cycle:
    member = Member("sma", "manager", "127.0.0.1", tmp_path)
    world = World(tmp_path, 77, keep=False, hold_all=True, members=[member])
    return Cycle(world, [(str(n), SENT) for n in range(count)], lambda text: None)


def _counted(cycle: Cycle, accepted: set[int]) -> Result:
    cycle._accepted = accepted
    result = Result(sent=len(accepted))
    cycle._count(result)
    return result


def test_what_arrived_is_counted_honestly(tmp_path: Path) -> None:
    cycle = _cycle(tmp_path, 4)
    for number, octets in ((0, SENT), (1, RECEIVED + SENT), (1, SENT), (2, b"other")):
        cycle.on_message(octets, [f"m{number:06d}@demo.example"])
    result = _counted(cycle, {0, 1, 2, 3})
    assert (result.delivered, result.lost, result.doubled, result.changed, result.identical) == (4, 1, 1, 1, 2)
    assert not result.good


async def test_a_page_that_cannot_be_released_ends_the_cycle_and_no_loop(tmp_path: Path) -> None:
    cycle = _cycle(tmp_path, 1)

    class Rest:
        async def get(self, path: str, **query: Any) -> Any:
            rows = [{"mid": 7, "attributes": {"inQuarantines": "Policy"}}]
            return {"meta": {"totalCount": 1}, "data": rows}

        async def post(self, path: str, body: Any) -> Any:
            return {"data": {"action": "release", "totalCount": 0}}

    cycle._rest = Rest()  # type: ignore[assignment]
    with pytest.raises(DemoFailed, match="none could be released"):
        await cycle._release_all(1)


async def test_a_message_in_two_quarantines_is_released_from_both(tmp_path: Path) -> None:
    cycle = _cycle(tmp_path, 1)
    posted: list[tuple[str, list[int]]] = []

    class Rest:
        async def get(self, path: str, **query: Any) -> Any:
            rows = [{"mid": 7, "attributes": {"inQuarantines": "Policy, Virus"}}] if not posted else []
            return {"meta": {"totalCount": len(rows)}, "data": rows}

        async def post(self, path: str, body: Any) -> Any:
            posted.append((body["quarantineName"], body["mids"]))
            return {"data": {"action": "release", "totalCount": 1}}

    cycle._rest = Rest()  # type: ignore[assignment]
    assert await cycle._release_all(1) == 1
    assert sorted(posted) == [("Policy", [7]), ("Virus", [7])]


def test_a_folder_is_read_by_name_and_below(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.eml").write_bytes(b"two")
    (tmp_path / "1.eml").write_bytes(b"one")
    (tmp_path / ".hidden").write_bytes(b"no")
    assert read_folder(tmp_path) == [("1.eml", b"one"), ("b/2.eml", b"two")]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DemoFailed, match="holds no files"):
        read_folder(empty)
