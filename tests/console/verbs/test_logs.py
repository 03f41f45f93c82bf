"""grep, tail, findevent, rollovernow over a mail log that was really written."""

import json
from pathlib import Path

import pytest

from pratique.console.access.roles import Person
from pratique.telemetry import events as log
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import Hearing, hear

ADMIN = Person("admin", "administrator", "password")
OPERATOR = Person("op", "operator", "password")
CID, OTHER = "0190a1b2c3d4e5f60718293a4b5c6d7e", "0190a1b2c3d4e5f60718293a4b5c6d7f"
DAY = "Tue Nov 24 03:13:20 2026"
PASSED = (
    log.NewIcid(protocol="SMTP", icid=7, interface="Data 1", interface_ip="192.0.2.9", address="192.0.2.1"),
    log.StartMid(cid=CID, mid=41, icid=7),
    log.MidFrom(cid=CID, mid=41, icid=7, sender="a@partner.example"),
    log.MidTo(cid=CID, mid=41, icid=7, rid=0, recipient="b@example.org"),
    log.MessageId(cid=CID, mid=41, value="<1@partner.example>"),
    log.Subject(cid=CID, mid=41, value="Invoice\x1b[2J"),
    log.IcidClose(icid=7),
    log.NewIcid(protocol="CPQ", icid=8, interface="Management", interface_ip="192.0.2.9", address="192.0.2.1"),
    log.MidFrom(cid=OTHER, mid=42, icid=8, sender="c@partner.example"),
    log.Subject(cid=OTHER, mid=42, value="Another invoice"),
)


def write(logged: Logged, *found: log.Event) -> None:
    for event in found:
        logged.mail_log.emit(event)
    logged.mail_log.flush()


@pytest.fixture
def written(logged: Logged) -> Logged:
    write(logged, *PASSED)
    return logged


# --- grep
async def test_grep_finds_the_quarantine_port(written: Logged) -> None:
    heard, status = await hear(written.desk, OPERATOR, 'grep "CPQ ICID" mail_logs')
    assert status == 0
    assert heard.text == (
        f"{DAY} Info: New CPQ ICID 8 interface Management (192.0.2.9) address 192.0.2.1 "
        "reverse dns host unknown verified no"
    )


async def test_grep_gives_an_object_a_line(written: Logged) -> None:
    plain, _ = await hear(written.desk, OPERATOR, "grep -i invoice mail_logs")
    heard, _ = await hear(written.desk, OPERATOR, "grep -i invoice mail_logs --json")
    assert [json.loads(line)["line"] for line in heard.text.splitlines()] == plain.text.splitlines()


async def test_the_options_of_grep(written: Logged) -> None:
    async def lines(line: str) -> list[str]:
        heard, status = await hear(written.desk, OPERATOR, line)
        assert (status, heard.complaints) == (0, [])
        return heard.text.splitlines()

    assert len(await lines("grep invoice mail_logs")) == 1
    assert len(await lines("grep -i invoice mail_logs")) == 2
    assert len(await lines("grep -e 'MID 41' -e 'MID 42' mail_logs")) == 7
    assert len(await lines("grep -iv 'icid|mid' mail_logs")) == 3  # the file's own first lines
    around = await lines("grep -C 1 'ICID 8 interface|Start MID 41' mail_logs")
    assert [line[25:].split()[1:4] for line in around if line != "--"] == [
        ["New", "SMTP", "ICID"],
        ["Start", "MID", "41"],
        ["MID", "41", "ICID"],
        ["ICID", "7", "close"],
        ["New", "CPQ", "ICID"],
        ["MID", "42", "ICID"],
    ]
    assert around.count("--") == 1
    assert '"type":"StartMid"' in (await lines("grep StartMid mail_json"))[0]
    assert await lines("grep 'no such thing' mail_logs") == []


async def test_grep_asks_for_what_is_not_given(written: Logged) -> None:
    heard, status = await hear(written.desk, OPERATOR, "grep", "CPQ ICID", "1")
    assert status == 0 and " 1. mail_logs" in heard.text and "New CPQ ICID 8" in heard.said[-1]


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("grep '(' mail_logs", 1, "the pattern cannot be used (missing )"),
        ("grep '(?=x)' mail_logs", 1, "the pattern cannot be used"),
        ("grep x /etc/passwd", 1, "there is no log '/etc/passwd'; there are: mail_logs, mail_json"),
        ("grep x ../store", 1, "there is no log"),
        ("grep -C many x mail_logs", 2, "-C takes a number of lines"),
        ("grep -z x mail_logs", 2, "there is no option '-z'"),
        ("grep CPQ ICID mail_logs", 2, "'mail_logs' is too much; quote a pattern that holds spaces"),
        ("grep x mail_logs more", 2, "'more' is too much"),
        (f"grep {'x' * 5_000} mail_logs", 1, "a pattern has at most"),
    ],
)
async def test_what_grep_refuses(written: Logged, line: str, status: int, said: str) -> None:
    heard, got = await hear(written.desk, OPERATOR, line)
    assert got == status and said in heard.complaints[0]


async def test_a_pattern_made_to_be_slow_is_not(written: Logged) -> None:
    write(written, log.Note(message="a" * 400))
    heard, status = await hear(written.desk, OPERATOR, "grep '(a+)+b' mail_logs")
    assert (heard.text, status) == ("", 0)


async def test_rolled_files_come_first(written: Logged) -> None:
    heard, status = await hear(written.desk, ADMIN, "rollovernow")
    assert (heard.text, status) == ("Log files rolled over.", 0)
    assert (written.rest.audited())[-1][:2] == ("admin", "roll-over-logs")
    write(written, log.Subject(cid=CID, mid=43, value="Third"))
    heard, _ = await hear(written.desk, OPERATOR, "grep Subject mail_logs")
    assert [line.partition("Subject ")[2] for line in heard.text.splitlines()] == [
        "'Invoice\\x1b[2J'",
        "'Another invoice'",
        "'Third'",
    ]


async def test_only_administrators_roll_over(written: Logged) -> None:
    heard, status = await hear(written.desk, OPERATOR, "rollovernow")
    assert status == 1 and "may not" in heard.complaints[0]


# --- tail
async def test_tail_shows_the_last_lines_and_goes_on_over_a_rollover(written: Logged) -> None:
    talk = Hearing(
        pauses=[
            lambda: write(written, log.Note(message="one")),
            lambda: (write(written, log.Note(message="two")), written.mail_log.roll_over()),
            lambda: write(written, log.Note(message="three")),
            lambda: None,
        ]
    )
    heard, status = await hear(written.desk, OPERATOR, "tail mail_logs", talk=talk)
    assert status == 0
    lines = heard.text.splitlines()
    assert lines[0] == "Press Ctrl-C to stop." and len([line for line in lines if "ID 4" in line]) == 7
    assert [line.rpartition(" ")[2] for line in lines if line.endswith(("one", "two", "three"))] == [
        "one",
        "two",
        "three",
    ]


async def test_grep_t_goes_on_with_what_matches(written: Logged) -> None:
    talk = Hearing(
        pauses=[lambda: write(written, log.Note(message="no"), log.Subject(cid=CID, mid=50, value="New invoice"))]
    )
    talk.pauses.append(lambda: None)
    heard, _ = await hear(written.desk, OPERATOR, "grep -t 'New invoice' mail_logs", talk=talk)
    assert [line.rpartition("MID ")[2] for line in heard.text.splitlines()] == ["50 Subject 'New invoice'"]


# --- findevent
async def test_findevent_shows_all_lines_of_a_message_and_of_its_connection_as_the_log_has_them(
    written: Logged,
) -> None:
    heard, status = await hear(written.desk, OPERATOR, "findevent -m 41")
    assert status == 0
    log_lines = (written.mail_log.directory / "mail.current").read_text().splitlines()
    assert heard.text.splitlines() == [*log_lines[3:10], f"cid {CID}"]
    for search in ("-f ^a@partner", "-t example.org", "-d '<1@'", "-s '^invoice'", f"-c {CID}"):
        again, status = await hear(written.desk, OPERATOR, f"findevent {search}")
        assert (again.text, status) == (heard.text, 0)


async def test_findevent_lets_one_choose_among_several(written: Logged) -> None:
    heard, status = await hear(written.desk, OPERATOR, "findevent -s invoice", "2")
    assert status == 0
    assert heard.said[1].startswith("1. MID 42 (Tue Nov 24 03:13:20 2026) MID 42 Subject 'Another invoice'")
    assert heard.said[-1].endswith(f"cid {CID}")
    as_json, _ = await hear(written.desk, OPERATOR, "findevent -s invoice --json")
    assert [row["mid"] for row in json.loads(as_json.text)] == [42, 41]


async def test_findevent_asks_as_the_reference_system_does(written: Logged) -> None:
    heard, status = await hear(written.desk, OPERATOR, "findevent", "3", "^Invoice")
    assert status == 0 and "1. Search by envelope FROM\n2. Search by Message ID" in heard.text
    assert heard.said[-1].endswith(f"cid {CID}")


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("findevent -m 999", 1, "no line about MID 999"),
        (f"findevent -c {'0' * 32}", 1, "no line about this message"),
        ("findevent -m x", 2, "a MID is a number"),
        ("findevent -c x", 2, "32 hexadecimal digits"),
        ("findevent -q x", 2, "one way to search"),
    ],
)
async def test_what_findevent_refuses(written: Logged, line: str, status: int, said: str) -> None:
    heard, got = await hear(written.desk, OPERATOR, line)
    assert got == status and said in heard.complaints[0]


async def test_mail_cannot_pretend_to_be_another_message(written: Logged) -> None:
    write(written, log.Subject(cid=OTHER, mid=44, value=f'x","cid":"{CID}","type":"MidFrom'))
    heard, _ = await hear(written.desk, OPERATOR, "findevent -m 41")
    assert "MID 44" not in heard.text


async def test_without_a_json_log_it_is_said_what_there_is(written: Logged, tmp_path: Path) -> None:
    (written.mail_log.directory / "mail.json.current").unlink()
    heard, status = await hear(written.desk, OPERATOR, "findevent -m 41")
    assert status == 1 and "there is no log 'mail_json'; there are: mail_logs" in heard.complaints[0]
