"""Arguments of commands: what is taken, and with which reply the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.reply import Reply
from pratique.smtp import replies
from pratique.smtp.commands import Chunk, Refused, parse_bdat, parse_mail, parse_rcpt
from pratique.smtp.events import MailGiven, RcptGiven


def mail(argument: str, *, extended: bool = True, smtputf8: bool = True) -> MailGiven | Reply:
    try:
        return parse_mail(argument, extended=extended, smtputf8=smtputf8)
    except Refused as refused:
        return refused.reply


def rcpt(argument: str, *, extended: bool = True, smtputf8: bool = False) -> RcptGiven | Reply:
    try:
        return parse_rcpt(argument, extended=extended, smtputf8=smtputf8)
    except Refused as refused:
        return refused.reply


@pytest.mark.parametrize(
    ("argument", "given_"),
    [
        ("FROM:<a@x.example>", MailGiven("a@x.example", None, False, False, "", "")),
        ("from:<>", MailGiven("", None, False, False, "", "")),
        ("FROM:<a@[192.0.2.1]> SIZE=0", MailGiven("a@[192.0.2.1]", 0, False, False, "", "")),
        ('FROM:<"a b>\\" c"@x.example> BODY=7BIT', MailGiven('"a b>\\" c"@x.example', None, False, False, "", "")),
        (
            "FROM:<a@x.example> size=7 body=8bitmime smtputf8 ret=full envid=a+2Bb",
            MailGiven("a@x.example", 7, True, True, "FULL", "a+2Bb"),
        ),
        ("FROM:<\u00fc@x.example> SMTPUTF8", MailGiven("\u00fc@x.example", None, False, True, "", "")),
    ],
)
def test_mail(argument: str, given_: MailGiven) -> None:
    assert mail(argument) == given_


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("", replies.R501_MAIL),
        ("FROM", replies.R501_MAIL),
        ("FROM:", replies.R501_MAIL),
        ("FROM: <a@x.example>", replies.R501_MAIL),
        ("FROM :<a@x.example>", replies.R501_MAIL),
        ("FROM:a@x.example", replies.R501_MAIL),
        ("FROM:<a@x.example", replies.R501_MAIL),
        ("FROM:<a@x.example>>", replies.R501_MAIL),
        ("FROM:<<a@x.example>>", replies.R501_MAIL),
        ("FROM:<a@x.example>SIZE=1", replies.R501_MAIL),
        ('FROM:<"a@x.example>', replies.R501_MAIL),
        ("FROM:<a b@x.example>", replies.R501_MAIL),
        ("TO:<a@x.example>", replies.R501_MAIL),
        ("FROM:<a>", replies.R501_SENDER),
        ("FROM:<a@>", replies.R501_SENDER),
        ("FROM:<@x.example>", replies.R501_SENDER),
        ("FROM:<;id;@x.example>", replies.R501_SENDER),
        ("FROM:<\u00fc@x.example>", replies.R553_NEEDS_UTF8),
        ("FROM:<a@x.example>  SIZE=1", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=1  BODY=7BIT", replies.R501_PARAMETER),
        ("FROM:<a@x.example> =", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=-1", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=\u0661", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=123456789012345678901", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SIZE=1 SIZE=1", replies.R501_PARAMETER),
        ("FROM:<a@x.example> BODY=BINARYMIME", replies.R501_PARAMETER),
        ("FROM:<a@x.example> SMTPUTF8=1", replies.R501_PARAMETER),
        ("FROM:<a@x.example> RET=SOME", replies.R501_PARAMETER),
        ("FROM:<a@x.example> ENVID=a=b", replies.R501_PARAMETER),
        ("FROM:<a@x.example> ENVID=a+0", replies.R501_PARAMETER),
        ("FROM:<a@x.example> ENVID=" + "a" * 101, replies.R501_PARAMETER),
        ("FROM:<a@x.example> AUTH=<>", replies.R555_PARAMETER),
        ("FROM:<a@x.example> X-NEW", replies.R555_PARAMETER),
        ("FROM:<a@x.example> NOTIFY=NEVER", replies.R555_PARAMETER),
    ],
)
def test_mail_refused(argument: str, reply: Reply) -> None:
    assert mail(argument) == reply


def test_parameters_that_were_not_offered() -> None:
    assert mail("FROM:<a@x.example> SIZE=1", extended=False) == replies.R555_PARAMETER
    assert mail("FROM:<a@x.example> SMTPUTF8", smtputf8=False) == replies.R555_PARAMETER
    assert rcpt("TO:<a@x.example> NOTIFY=NEVER", extended=False) == replies.R555_PARAMETER


@pytest.mark.parametrize(
    ("argument", "given_"),
    [
        ("TO:<b@x.example>", RcptGiven("b@x.example", "", "")),
        ("to:<PostMaster>", RcptGiven("PostMaster", "", "")),
        ("TO:<|/bin/sh@x.example>", RcptGiven("|/bin/sh@x.example", "", "")),  # atext all of it; no shell is near
        ("TO:<b@x.example> NOTIFY=never", RcptGiven("b@x.example", "NEVER", "")),
        (
            "TO:<b@x.example> NOTIFY=SUCCESS,Failure,DELAY ORCPT=rfc822;b+40x",
            RcptGiven("b@x.example", "SUCCESS,FAILURE,DELAY", "rfc822;b+40x"),
        ),
        (
            "TO:<b@x.example> ORCPT=utf-8;a\\x{FC}@x.example",
            RcptGiven("b@x.example", "", "utf-8;a\\x{FC}@x.example"),
        ),
    ],
)
def test_rcpt(argument: str, given_: RcptGiven) -> None:
    assert rcpt(argument) == given_


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("TO:b@x.example", replies.R501_RCPT),
        ("FROM:<b@x.example>", replies.R501_RCPT),
        ("TO:<>", replies.R501_RECIPIENT),
        ("TO:<b@x..example>", replies.R501_RECIPIENT),
        ("TO:<\u00fc@x.example>", replies.R553_NEEDS_UTF8),
        ("TO:<b@x.example> ORCPT=utf-8;\u00fc@x.example", replies.R553_NEEDS_UTF8),
        ("TO:<b@x.example> SIZE=1", replies.R555_PARAMETER),
        ("TO:<b@x.example> NOTIFY", replies.R501_PARAMETER),
        ("TO:<b@x.example> NOTIFY=NEVER,DELAY", replies.R501_PARAMETER),
        ("TO:<b@x.example> NOTIFY=SUCCESS,", replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT", replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT=b@x.example", replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT=rfc822;a+", replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT=rfc 822;a", replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT=rfc822;" + "a" * 500, replies.R501_PARAMETER),
        ("TO:<b@x.example> ORCPT=utf-8;a\\x{zz}", replies.R501_PARAMETER),
    ],
)
def test_rcpt_refused(argument: str, reply: Reply) -> None:
    assert rcpt(argument) == reply


def test_utf8_recipients_where_smtputf8_was_given() -> None:
    given_ = rcpt("TO:<\u00fc@x.example> ORCPT=utf-8;\u00fc@x.example", smtputf8=True)
    assert given_ == RcptGiven("\u00fc@x.example", "", "utf-8;\u00fc@x.example")
    assert rcpt("TO:<b@x.example> ORCPT=rfc822;\u00fc@x.example", smtputf8=True) == replies.R501_PARAMETER


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [
        ("0", Chunk(0, last=False)),
        ("86 LAST", Chunk(86, last=True)),
        ("007 last", Chunk(7, last=True)),
        ("", None),
        ("LAST", None),
        ("1 LAST 2", None),
        ("1  LAST", None),
        ("+1", None),
        ("\u0661", None),
        ("1" * 21, None),
    ],
)
def test_bdat(argument: str, chunk: Chunk | None) -> None:
    assert parse_bdat(argument) == chunk


def test_source_routes_are_accepted_and_ignored() -> None:
    """RFC 5321 §4.1.1.3, appendix C."""
    assert rcpt("TO:<@r.example,@s.example:b@x.example>").address == "b@x.example"


@given(
    text=st.text(max_size=40), start=st.sampled_from(["", "FROM:<", "FROM:<a@x.example> ", "TO:<", "TO:<b@x.example> "])
)
def test_any_text_is_taken_or_refused(text: str, start: str) -> None:
    for result in (mail(start + text), rcpt(start + text)):
        assert not isinstance(result, Reply) or result.code in (501, 553, 555)
