"""What an operator finds in mail.current and mail.json.current."""

import errno
import json
import os
import re
import stat
from pathlib import Path

import pytest

from pratique.telemetry import events as e
from pratique.telemetry import mail_log
from pratique.telemetry.counters import Counters
from pratique.telemetry.mail_log import MailLog

FRIDAY = 1_379_084_882_000  # Fri Sep 13 15:08:02 2013 UTC
SERIAL = "564D1234567890ABCDEF"
CLOSE = e.DcidClose(dcid=12345)


class Clock:
    def __init__(self) -> None:
        self.ms = FRIDAY

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(directory: Path, clock: Clock, **more: object) -> MailLog:
    return MailLog(directory, version="0.1.0-001", serial=SERIAL, clock=clock, host="gw1.example", **more)  # type: ignore[arg-type]


def rows(directory: Path, name: str = "mail.current") -> list[str]:
    return (directory / name).read_text("utf-8").splitlines()


def objects(directory: Path) -> list[dict[str, object]]:
    return [json.loads(row) for row in rows(directory, "mail.json.current")]


def test_file_begins_with_the_contract_s_header_and_holds_framed_lines(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock)
    log.emit(e.NewDcid(dcid=12345, interface_ip="10.10.20.1", address="10.10.10.1", port=7025))
    clock.ms += 5_000
    log.emit(CLOSE)
    log.close()
    assert rows(tmp_path) == [
        "Fri Sep 13 15:08:02 2013 Info: Begin Logfile",
        f"Fri Sep 13 15:08:02 2013 Info: Version: 0.1.0-001 SN: {SERIAL}",
        "Fri Sep 13 15:08:02 2013 Info: Time offset from UTC: 0 seconds",
        "Fri Sep 13 15:08:02 2013 Info: New SMTP DCID 12345 interface 10.10.20.1 address 10.10.10.1 port 7025",
        "Fri Sep 13 15:08:07 2013 Info: DCID 12345 close",
    ]


def test_days_and_months_are_english_and_two_digits(tmp_path: Path, clock: Clock) -> None:
    clock.ms = 1_046_649_603_000
    log = make(tmp_path, clock)
    log.emit(CLOSE)
    log.close()
    assert rows(tmp_path)[-1] == "Mon Mar 03 00:00:03 2003 Info: DCID 12345 close"


def test_emit_alone_touches_no_file(tmp_path: Path, clock: Clock) -> None:
    directory = tmp_path / "logs"
    log = make(directory, clock)
    log.emit(CLOSE)
    assert not directory.exists()
    log.flush()
    assert (directory / "mail.current").exists()
    log.close()


def test_json_twin_has_the_same_events_with_time_host_level_type_and_cid(tmp_path: Path, clock: Clock) -> None:
    clock.ms += 7
    log = make(tmp_path, clock)
    log.emit(e.Enqueued(mid=7, quarantine="Policy", reason="content filter:X", cid="00ab"))
    log.emit(e.Fault(error="no"))
    log.close()
    assert objects(tmp_path) == [
        {
            "at": "2013-09-13T15:08:02.007Z",
            "host": "gw1.example",
            "level": "Info",
            "type": "Enqueued",
            "cid": "00ab",
            "mid": 7,
            "quarantine": "Policy",
            "reason": "content filter:X",
        },
        {"at": "2013-09-13T15:08:02.007Z", "host": "gw1.example", "level": "Warning", "type": "Fault", "error": "no"},
    ]


def test_json_can_be_switched_off(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock, json=False)
    log.emit(CLOSE)
    log.close()
    assert [p.name for p in tmp_path.iterdir()] == ["mail.current"]


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_files_are_for_owner_and_group_only(tmp_path: Path, clock: Clock, mask: int) -> None:
    before = os.umask(mask)
    try:
        log = make(tmp_path, clock)
        log.emit(CLOSE)
        log.close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o640}


def test_rollover_by_size_keeps_names_in_order_and_only_the_newest(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock, rollover_bytes=400, keep_files=3, json=False)
    for number in range(40):
        log.emit(e.Finished(mid=number))
        log.flush()
        clock.ms += 100  # several rollovers fall into one second
    log.close()
    rolled = sorted(p.name for p in tmp_path.glob("mail.@*"))
    assert len(rolled) == 3
    assert all(re.fullmatch(r"mail\.@\d{8}T\d{6}\.s", name) for name in rolled)
    kept = [row for name in [*rolled, "mail.current"] for row in rows(tmp_path, name)]
    mids = [int(row.split()[-2]) for row in kept if row.endswith("done")]
    assert mids == list(range(mids[0], 40))
    assert all(rows(tmp_path, name)[0].endswith("Info: Begin Logfile") for name in [*rolled, "mail.current"])
    assert max((tmp_path / name).stat().st_size for name in rolled) <= 400


def test_no_line_is_lost_by_rollover_in_the_json_twin(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock, rollover_bytes=300, keep_files=100)
    for number in range(20):
        log.emit(e.Finished(mid=number))
        log.flush()
        clock.ms += 1_000
    log.close()
    files = [*sorted(tmp_path.glob("mail.json.@*.s")), tmp_path / "mail.json.current"]
    assert len(files) > 3
    assert [json.loads(row)["mid"] for f in files for row in f.read_text().splitlines()] == list(range(20))


def test_two_processes_may_write_and_roll_the_same_file(tmp_path: Path, clock: Clock) -> None:
    logs = [make(tmp_path, clock, rollover_bytes=500, keep_files=1000, json=False) for _ in range(2)]
    for number in range(60):
        logs[number % 2].emit(e.Finished(mid=number))
        logs[number % 2].flush()
    for log in logs:
        log.close()
    everything = [row for p in tmp_path.iterdir() for row in rows(tmp_path, p.name)]
    assert sorted(int(row.split()[-2]) for row in everything if row.endswith("done")) == list(range(60))


def test_restart_appends_to_the_current_file(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        log = make(tmp_path, clock)
        log.emit(CLOSE)
        log.close()
    assert [row.split("Info: ")[1] for row in rows(tmp_path)][3:] == ["DCID 12345 close"] * 2


def test_a_line_torn_by_a_crash_does_not_swallow_the_next(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "mail.current").write_text("Fri Sep 13 15:08:02 2013 Info: MID 1 qu")
    log = make(tmp_path, clock)
    log.emit(CLOSE)
    log.close()
    assert rows(tmp_path)[1] == "Fri Sep 13 15:08:02 2013 Info: DCID 12345 close"


def test_logrotate_needs_no_signal_and_reopen_works_too(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock, json=False)
    log.emit(CLOSE)
    log.flush()
    (tmp_path / "mail.current").rename(tmp_path / "mail.1")
    log.emit(CLOSE)
    log.flush()
    assert rows(tmp_path)[0].endswith("Begin Logfile")
    (tmp_path / "mail.current").rename(tmp_path / "mail.2")
    log.reopen()
    log.emit(e.Finished(mid=1))
    log.close()
    assert rows(tmp_path)[-1].endswith("Message finished MID 1 done")
    assert len(rows(tmp_path, "mail.1")) == 4


def test_full_disk_drops_and_counts_and_reports_once_it_works_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make(tmp_path, clock)
    log.emit(CLOSE)
    log.flush()

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for _ in range(3):
            log.emit(CLOSE)
        log.flush()
        assert log.lost == 6  # three lines in each of the two files
    log.emit(e.Finished(mid=9))
    log.flush()
    log.flush()
    assert log.lost == 0
    assert [row.split(" 2013 ")[1] for row in rows(tmp_path)][4:] == [
        "Info: Message finished MID 9 done",
        (
            "Warning: An application fault occurred: log mail.current: 3 lines lost "
            "([Errno 28] No space left on device), writing again"
        ),
        (
            "Warning: An application fault occurred: log mail.json.current: 3 lines lost "
            "([Errno 28] No space left on device), writing again"
        ),
    ]
    log.close()


def test_short_write_leaves_a_whole_next_line(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    log = make(tmp_path, clock, json=False)
    log.emit(CLOSE)
    log.flush()
    real = os.write
    calls: list[int] = []

    def short(fd: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        log.emit(CLOSE)
        log.flush()
    log.emit(e.Finished(mid=9))
    log.close()
    assert rows(tmp_path)[4] == "Fri Sep 13 15:08:02 "
    assert rows(tmp_path)[5] == "Fri Sep 13 15:08:02 2013 Info: Message finished MID 9 done"


def test_a_foreign_file_with_an_impossible_date_does_not_raise(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "mail.@99999999T999999.s").write_text("")
    log = make(tmp_path, clock, rollover_bytes=200, json=False)
    for _ in range(4):
        log.emit(CLOSE)
        log.flush()
    assert log.lost > 0
    log.close()


def test_directory_that_cannot_be_made_does_not_stop_mail(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    log = make(tmp_path / "file" / "logs", clock)
    log.emit(CLOSE)
    log.close()
    assert log.lost == 2


def test_hostile_text_cannot_forge_a_line_or_stop_the_log(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock)
    log.emit(e.Subject(mid=1, value="x\nFri Sep 13 15:08:02 2013 Info: MID 1 released\udc80\x9b\u202e"))
    log.emit(e.Subject(mid=2, value="y" * 70_000))
    log.emit(e.IcidAction(icid=1, action="ACCEPT", group="a\r\nb", match="ALL"))
    log.emit(e.Subject(mid=3, value="\x7f é \u2028"))
    log.close()
    text = (tmp_path / "mail.current").read_bytes()
    assert text.count(b"\n") == 7
    assert b"SG a\\r\\nb match ALL" in text
    twin = (tmp_path / "mail.json.current").read_bytes()
    assert twin.count(b"\n") == 4
    for raw in (b"\x1b", b"\x7f", "\x9b".encode(), "\u202e".encode(), "\u2028".encode()):
        assert raw not in twin
    assert [o["type"] for o in objects(tmp_path)] == ["Subject", "Subject", "IcidAction", "Subject"]
    assert len(str(objects(tmp_path)[1]["value"])) == 503
    assert objects(tmp_path)[3]["value"] == "\x7f é \u2028"


def test_an_event_of_the_wrong_type_costs_only_its_own_line(tmp_path: Path, clock: Clock) -> None:
    log = make(tmp_path, clock)
    log.emit(CLOSE)
    log.emit(e.Subject(mid=1, value=None))  # type: ignore[arg-type]
    log.emit(e.Finished(mid=9))
    log.close()
    texts = [row.split(" 2013 ")[1] for row in rows(tmp_path)][3:]
    assert texts[0] == "Info: DCID 12345 close"
    assert texts[1].startswith("Warning: An application fault occurred: mail log: Subject has no line (")
    assert texts[2] == "Info: Message finished MID 9 done"


@pytest.mark.parametrize("debug", [False, True])
def test_debug_lines_are_written_where_they_are_wanted(tmp_path: Path, clock: Clock, debug: bool) -> None:
    counters = Counters()
    log = make(tmp_path, clock, debug=debug, counters=counters)
    log.emit(e.DebugNote(message="detail"))
    log.emit(CLOSE)
    log.close()
    texts = [row.split(" 2013 ")[1] for row in rows(tmp_path)][3:]
    assert texts == [*(["Debug: detail"] if debug else []), "Info: DCID 12345 close"]
    assert ("detail" in (tmp_path / "mail.json.current").read_text()) == debug


def test_queue_is_bounded(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_log, "QUEUED_EVENTS_MAX", 10)
    log = make(tmp_path, clock)
    for _ in range(11):
        log.emit(CLOSE)
    assert len(rows(tmp_path)) == 3 + 11
    log.close()


def test_counters_are_fed_from_what_is_logged(tmp_path: Path, clock: Clock) -> None:
    counters = Counters()
    log = make(tmp_path, clock, counters=counters)
    log.emit(e.MidReady(mid=1, size=5, sender="a@b.example"))
    assert counters.values()["received"] == 0
    log.close()
    assert counters.values()["received"] == 1


def test_serial_that_would_break_the_header_is_refused(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ValueError, match="20 characters"):
        MailLog(tmp_path, version="0.1.0-001", serial="has a space in it 12", clock=clock)
