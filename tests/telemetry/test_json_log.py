"""The JSON twin's lines: many at once are the same octets as each alone."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry import events as log
from pratique.telemetry.json_log import LINE_BYTES_MAX, JsonFormat
from tests.docs.pages import generator

AT = 1_790_000_000_123
odd_texts = st.one_of(
    st.text(st.characters(exclude_categories=())),  # lone surrogates too
    st.sampled_from(["plain", '\n{"type":"Note"', "\x7f", "\x85", "\u202e", "x" * LINE_BYTES_MAX, "\\", '"}\r\n{"']),
    st.integers(LINE_BYTES_MAX - 80, LINE_BYTES_MAX).map(lambda size: "x" * size),  # about the limit of a line
)
some_events = st.one_of(
    st.builds(log.Subject, mid=st.integers(1, 9), value=odd_texts, cid=st.sampled_from(["", "ab" * 16])),
    st.builds(log.Fault, error=odd_texts),  # another level
    st.just(log.IcidClose(icid=1)),
)


@given(st.lists(st.tuples(some_events, st.integers(AT, AT + 2)), max_size=12))
def test_a_batch_is_what_its_events_are_alone(batch):
    together = JsonFormat("gw.example").lines(batch)
    assert together == b"".join(JsonFormat("gw.example").lines([one]) for one in batch)
    lines = together.split(b"\n")
    assert len(lines) == len(batch) + 1 and lines[-1] == b""
    for line, (event, at) in zip(lines, batch, strict=False):
        found = json.loads(line)
        assert (found["type"], found["level"], found["host"]) == (type(event).__name__, event.level, "gw.example")
        assert found["at"].endswith(f".{at % 1000:03d}Z")
        assert len(line) <= LINE_BYTES_MAX + 200  # the head is not counted


def test_a_plain_line_to_the_letter():
    event = log.MidReady(mid=7, size=10, sender="a@b.example", cid="ab" * 16)
    assert JsonFormat("gw.example").lines([(event, AT)]) == (
        b'{"at":"2026-09-21T14:13:20.123Z","host":"gw.example","level":"Info","type":"MidReady","cid":"'
        + b"ab" * 16
        + b'","mid":7,"size":10,"sender":"a@b.example"}\n'
    )


def test_no_line_has_a_key_twice():
    """The line's own `host` is the appliance; an event that knows another host calls it otherwise."""
    made = generator()
    for cls in made.event_classes():
        for value in ("x", "x" * LINE_BYTES_MAX):  # the second takes the way of long lines
            texts = {f.name: value for f in msgspec.structs.fields(cls) if f.name == "host"}
            fields = {**made.MEANINGS[cls.__name__][0], **texts}
            line = JsonFormat("gw.example").lines([(cls(cid="ab" * 16, **fields), AT)])
            pairs = json.loads(line, object_pairs_hook=list)
            assert len({key for key, _ in pairs}) == len(pairs), line
            assert dict(pairs)["host"] == "gw.example"
