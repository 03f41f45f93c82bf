"""The log read back: every event gives the line that it gave when it was written."""

from pathlib import Path

from pratique.telemetry.json_log import JsonFormat
from pratique.telemetry.mail_log import TextFormat
from pratique.telemetry.reading import as_text, log_files, read_event
from tests.docs.pages import generator

AT = 1_795_490_000_123


def test_every_event_comes_back_as_it_was() -> None:
    made = generator()
    events = [cls(cid="c" * 32, **made.MEANINGS[cls.__name__][0]) for cls in made.event_classes()]
    assert len(events) > 40
    for event in events:
        line = JsonFormat("host.example").lines([(event, AT)]).rstrip(b"\n")
        assert read_event(line) == (event, AT)
        assert as_text([(event, AT)]) + "\n" == TextFormat().lines([(event, AT)]).decode()


def test_a_line_of_another_version_is_none() -> None:
    for line in (b"", b"x", b"{}", b'{"at":"2026-11-24T00:00:00.000Z","type":"Later"}', b'{"type":"Note","message":1}'):
        assert read_event(line) is None


def test_files_of_one_log_the_current_one_last(tmp_path: Path) -> None:
    for name in (
        "mail.current",
        "mail.@20261124T050244.s",
        "mail.@20251124T050244.s",
        "mail.json.current",
        "mail.json.@20261124T050244.s",
        "mail.@other.s",
        "audit",
    ):
        (tmp_path / name).touch()
    names = [path.name for path in log_files(tmp_path, "mail")]
    assert names == ["mail.@20251124T050244.s", "mail.@20261124T050244.s", "mail.current"]
    assert [p.name for p in log_files(tmp_path, "mail.json")] == ["mail.json.@20261124T050244.s", "mail.json.current"]
    assert log_files(tmp_path / "none", "mail") == []
