"""What a syslog server hears of the mail log."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.telemetry import events as e
from pratique.telemetry.mail_log import MailLog
from pratique.telemetry.settings import LogSettings
from pratique.telemetry.syslog import LINE_BYTES_MAX, REPORT_MS, Syslog, place_of
from tests.telemetry.test_mail_log import FRIDAY, Clock, make, rows

CLOSE = e.DcidClose(dcid=12345)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def place(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[MailLog]:
    made = make(tmp_path, Clock())
    yield made
    made.close()


@pytest.mark.parametrize(
    ("event", "facility", "line"),
    [
        (CLOSE, "mail", b"<22>Sep 13 15:08:02 gw1.example mail_logs: Info: DCID 12345 close"),
        (CLOSE, "local4", b"<166>Sep 13 15:08:02 gw1.example mail_logs: Info: DCID 12345 close"),
        (e.Alarm(message="look"), "mail", b"<18>Sep 13 15:08:02 gw1.example mail_logs: Critical: look"),
        (e.Note(message="one\ntwo"), "mail", b"<22>Sep 13 15:08:02 gw1.example mail_logs: Info: one\\ntwo"),
    ],
)
def test_each_line_is_one_datagram_of_the_contract_s_form(
    log: MailLog, server: socket.socket, event: e.Event, facility: str, line: bytes
) -> None:
    log.use(LogSettings(syslog=place(server), syslog_facility=facility))
    log.emit(event)
    log.flush()
    assert server.recv(65_536) == line


def test_the_files_have_the_line_as_well_and_the_server_changes_at_once(
    log: MailLog, server: socket.socket, tmp_path: Path
) -> None:
    log.use(LogSettings(syslog=place(server)))
    log.emit(CLOSE)
    log.flush()
    server.recv(65_536)
    log.use(LogSettings())
    log.emit(e.Note(message="for the file alone"))
    log.flush()
    assert [row.endswith("for the file alone") for row in rows(tmp_path)][-1]
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(65_536)


def test_a_line_that_is_too_long_is_cut_between_characters(server: socket.socket) -> None:
    class Long(e.Event, frozen=True, kw_only=True):
        def text(self) -> str:
            return "\u00e4" * LINE_BYTES_MAX

    syslog = Syslog(place(server), facility="mail", host="gw1.example")
    assert syslog.send([(Long(), FRIDAY)]) == ""
    syslog.close()
    heard = server.recv(65_536)
    assert LINE_BYTES_MAX - 2 < len(heard) <= LINE_BYTES_MAX
    assert heard.decode("utf-8").endswith("\u00e4")


def test_a_server_that_refuses_is_said_now_and_then_with_how_many_lines_it_missed(server: socket.socket) -> None:
    syslog = Syslog(place(server), facility="mail", host="gw1.example")
    server.close()
    said = [syslog.send([(CLOSE, FRIDAY + ms)]) for ms in (0, 1, 2, 3, REPORT_MS * 2, REPORT_MS * 2 + 1)]
    told = [text for text in said if text]
    assert len(told) == 2 and all("could not be sent to 127.0.0.1:" in text for text in told)
    syslog.close()


def test_a_place_that_is_none_is_said_and_the_log_goes_on(log: MailLog, tmp_path: Path) -> None:
    log.use(LogSettings(syslog="logs.example"))
    log.emit(CLOSE)
    log.flush()
    assert any("log.syslog 'logs.example': 'logs.example' does not appear to be" in row for row in rows(tmp_path))
    assert rows(tmp_path)[-1].endswith("DCID 12345 close")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.10", ("192.0.2.10", 514)),
        ("192.0.2.10:5514", ("192.0.2.10", 5514)),
        ("2001:db8::10", ("2001:db8::10", 514)),
        ("[2001:db8::10]:5514", ("2001:db8::10", 5514)),
        ("[2001:db8::10]", ("2001:db8::10", 514)),
    ],
)
def test_places(text: str, found: tuple[str, int]) -> None:
    assert place_of(text) == found


@pytest.mark.parametrize(
    "text", ["", "logs.example", "192.0.2.10:0", "192.0.2.10:65536", "192.0.2.10:x", "[::1]x", "::1]:5"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError):
        place_of(text)
