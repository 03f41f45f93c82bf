import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.policy import variables
from pratique.policy.facts import Attachment, Unknown
from pratique.policy.seen import Seen
from pratique.policy.variables import Situation, needs_attachments, one_line, parse_template

SITUATION = Situation("hold_exe", (("1", "secret"), ("subject", "figures")))


@pytest.fixture
def fill(make_facts):
    def filled(text, situation=SITUATION, **changes):
        return parse_template(text).text(Seen(make_facts(**changes)), situation)

    return filled


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$Subject", "Quarterly figures"),
        ("$MID", "42"),
        ("$EnvelopeFrom", "ann@partner.example"),
        ("$EnvelopeRecipients", "bob@here.example, carol@here.example"),
        ("$RemoteIP", "192.0.2.10"),
        ("$remotehost", "mx.partner.example"),
        ("$RecvListener", "Public"),
        ("$RecvInt", "Data 1"),
        ("$FilterName", "hold_exe"),
        ("$MatchedContent", "secret, figures"),
        ("$Header['X-mailer']", "Mailer 1, Mailer 2"),
        ('$Header["Subject"]', "Quarterly figures"),
        ("$Header['X-None']", ""),
        ("$Date", "01/01/2027"),
        ("$Time", "00:00:00 GMT"),
        ("$Timestamp", "Fri, 01 Jan 2027 00:00:00 +0000"),
        ("$Hostname", "gw1.here.example"),
        ("$BodySize", "10000"),
        ("$filenames", "figures.exe"),
        ("$filetypes", "application/zip"),
        ("$filesizes", "2000"),
        ("$Group", "UNKNOWNLIST"),
        ("$Policy", "ACCEPT"),
        ("$Reputation", "None"),
        ("$SUBJECT $subject", "Quarterly figures Quarterly figures"),
        ("$Subjects cost $5 or US$, $$Subject", "$Subjects cost $5 or US$, $Quarterly figures"),
        ("$Header alone, $Header[X]", "$Header alone, $Header[X]"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_every_variable(fill, text, filled):
    assert fill(text) == filled


def test_all_headers(fill):
    assert fill("$AllHeaders").splitlines()[:2] == [
        "From: Ann <ann@partner.example>",
        "To: Bob <bob@here.example>, carol@here.example",
    ]


def test_what_is_not_known_is_empty(fill):
    assert fill("[$filenames$MID]", attachments=Unknown("too large"), mid=0) == "[]"


def test_attachments_without_a_name_leave_no_gap(fill):
    attachments = (Attachment("", "image/png", 1, 4, "1"), Attachment("b.txt", "text/plain", 2, 4, "2"))
    assert fill("$filenames|$filesizes", attachments=attachments) == "b.txt|1, 2"


def test_the_size_of_what_was_not_read_to_its_end_says_so(fill):
    attachments = (Attachment("a.iso", "x/y", 6_130_064, 8_388_608, "1", cut=True), Attachment("b", "x/y", 2, 4, "2"))
    assert fill("$filesizes", attachments=attachments) == ">6130064, 2"


def test_values_are_not_read_for_variables_again(fill):
    assert fill("$Subject", subject="$EnvelopeFrom $Header['To']") == "$EnvelopeFrom $Header['To']"


@pytest.mark.parametrize("now_ms", [-1, 10**18])
def test_a_moment_out_of_the_calendar_is_the_nearest_in_it(fill, now_ms):
    assert fill("$Date", now_ms=now_ms) in ("01/01/1970", "12/31/9999")


def test_texts_are_bounded(fill):
    assert len(fill("$Subject", subject="x" * 100_000)) == variables.VALUE_CHARS_MAX
    assert len(fill("$Subject" * 10, subject="x" * 100_000)) == variables.TEXT_CHARS_MAX


@pytest.mark.parametrize("evil", ["a\r\nBcc: x@y", "a\nb", "a\rb", "a\0b", "\r\n\r\nbody", "a\r\n\t folded"])
def test_no_break_gets_into_a_header(make_facts, evil):
    value = parse_template("x $Subject " + evil).header_value(Seen(make_facts(subject=evil)), SITUATION)
    assert not set(value) & set("\r\n\0")
    assert "a" in value or "body" in value


@given(st.text(alphabet="ab \t\r\n\0", max_size=40))
def test_one_line_keeps_the_rest(text):
    line = one_line(text)
    assert not set(line) & set("\r\n\0")
    assert [c for c in line if c in "ab"] == [c for c in text if c in "ab"]


def test_a_header_value_fits_on_a_line(make_facts):
    value = parse_template("$Subject").header_value(Seen(make_facts(subject="x" * 5000)), SITUATION)
    assert len(value) == variables.HEADER_CHARS_MAX


def test_which_texts_need_attachments():
    assert needs_attachments("see $FileNames")
    assert not needs_attachments("$Subject $Header['filenames'] filenames")
