"""What an answer means, how the log says it, and when the sender hears of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.bounce import (
    EXPIRED,
    NO_CONNECTION,
    NO_LOOKUP,
    NO_REPLY,
    NO_SUCH_HOST,
    PHRASES,
    Attempted,
    Hard,
    Notices,
    Result,
    carries_original,
    classify,
    log_code,
    notices_due,
    phrase_of,
    why_hard,
)
from pratique.delivery.settings import BounceSettings
from pratique.mail.reply import Reply

WARN = BounceSettings(delay_warning=True)


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply(250, "2.0.0", "ok"), Result.DELIVERED),
        (Reply(252, ""), Result.DELIVERED),
        (Reply(421, "4.3.2"), Result.DEFERRED),
        (Reply(550, "5.1.1"), Result.FAILED),
        (Reply(552, "5.2.2"), Result.FAILED),
        (Reply(552, "5.5.3"), Result.DEFERRED),  # too many recipients, the old way
        (Reply(354, ""), Result.DEFERRED),  # makes no sense here: unknown is temporary
        (Reply(999, "5.0.0"), Result.DEFERRED),
        (NO_CONNECTION, Result.DEFERRED),
        (NO_REPLY, Result.DEFERRED),
        (NO_LOOKUP, Result.DEFERRED),
        (NO_SUCH_HOST, Result.FAILED),
        (EXPIRED, Result.FAILED),
    ],
)
def test_what_an_answer_means(reply: Reply, result: Result) -> None:
    assert classify(reply) is result


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (Reply(550, "", "Relaying denied"), ("5.1.0", "Unknown address error", "550")),
        (Reply(466, "", "Mailbox temporarily full."), ("4.1.0", "Unknown address error", "466")),
        (Reply(550, "5.1.1", "no such user"), ("5.1.1", "Bad destination mailbox address", "550")),
        (Reply(450, "4.2.2", "full"), ("4.2.2", "Mailbox full", "450")),
        (Reply(554, "", "no"), ("5.3.0", "Other mail system problem", "554")),
        (Reply(421, "", "busy"), ("4.3.2", "System not accepting network messages", "421")),
        (Reply(550, "5.7.509", "policy"), ("5.7.509", "Other security problem", "550")),
        (Reply(550, "5.9.9", "what"), ("5.9.9", "Other undefined status", "550")),
        (Reply(550, "4.1.1", "contradicts itself"), ("5.1.1", "Bad destination mailbox address", "550")),
        (Reply(450, "5.x.1", "nonsense"), ("4.1.0", "Unknown address error", "450")),
        (Reply(450, "5.1.1.1", "nonsense"), ("4.1.0", "Unknown address error", "450")),
        (NO_SUCH_HOST, ("5.1.2", "Bad destination host", "000")),
        (NO_CONNECTION, ("4.4.1", "No answer from host", "000")),
        (EXPIRED, ("5.4.7", "Delivery expired (message too old)", "000")),
    ],
)
def test_what_the_log_shows(reply: Reply, shown: tuple[str, str, str]) -> None:
    assert log_code(reply) == shown


@given(st.integers(0, 999), st.text(max_size=12))
def test_the_shown_class_is_the_sign_of_what_we_do(code: int, enhanced: str) -> None:
    reply = Reply(code, enhanced)
    shown, phrase, digits = log_code(reply)
    assert shown[0] == {Result.DELIVERED: "2", Result.DEFERRED: "4", Result.FAILED: "5"}[classify(reply)]
    assert phrase in PHRASES.values()
    assert len(digits) == 3
    assert shown.isascii() and shown.isprintable()


def test_every_subject_has_words_for_its_unknown_details() -> None:
    for subject in PHRASES:
        assert f"{subject[0]}.0" in PHRASES
    assert phrase_of("2.99") == "Other mailbox status"


def one(result: Result, notify: str = "", **more: object) -> Attempted:
    return Attempted(0, result, notify, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("notify", "told"),
    [("", True), ("FAILURE", True), ("success,failure", True), ("NEVER", False), ("SUCCESS,DELAY", False)],
)
def test_a_failure_is_told_unless_the_sender_declined(notify: str, told: bool) -> None:
    due = notices_due("a@b.example", [one(Result.FAILED, notify)])
    assert due == (Notices(failed=(0,)) if told else Notices())
    assert bool(due) is told


def test_a_notice_is_never_answered_with_a_notice() -> None:
    everyone = [one(result, "SUCCESS,FAILURE,DELAY", attempts=2) for result in Result]
    assert notices_due("", everyone, WARN) == Notices()


@pytest.mark.parametrize(("notify", "told"), [("", True), ("DELAY", True), ("FAILURE", False), ("NEVER", False)])
def test_a_delay_is_told_at_the_second_attempt_where_wanted(notify: str, told: bool) -> None:
    late = one(Result.DEFERRED, notify, attempts=2)
    assert notices_due("a@b.example", [late], WARN).delayed == ((0,) if told else ())


def test_delay_warnings_are_off_come_once_and_not_at_the_first_attempt() -> None:
    late = one(Result.DEFERRED, attempts=2)
    assert not notices_due("a@b.example", [late])
    assert not notices_due("a@b.example", [one(Result.DEFERRED, attempts=1)], WARN)
    assert not notices_due("a@b.example", [one(Result.DEFERRED, attempts=3, warned=True)], WARN)
    assert notices_due("a@b.example", [one(Result.DEFERRED, attempts=3)], WARN)  # the second had no chance to tell


def test_success_is_told_only_on_request_and_only_where_the_chain_of_dsn_ends() -> None:
    assert not notices_due("a@b.example", [one(Result.DELIVERED)])
    assert notices_due("a@b.example", [one(Result.DELIVERED, "SUCCESS")]).relayed == (0,)
    assert not notices_due("a@b.example", [one(Result.DELIVERED, "SUCCESS", relayed_dsn=True)])


def test_recipients_of_one_kind_share_a_notice() -> None:
    attempted = [
        Attempted(0, Result.FAILED),
        Attempted(1, Result.DELIVERED),
        Attempted(2, Result.FAILED),
        Attempted(3, Result.DEFERRED, attempts=2),
    ]
    assert notices_due("a@b.example", attempted, WARN) == Notices(failed=(0, 2), delayed=(3,))


@pytest.mark.parametrize(
    ("ret", "size", "whole"),
    [("", 10_239, True), ("", 10_240, False), ("FULL", 10_239, True), ("FULL", 10**6, False), ("hdrs", 10, False)],
)
def test_small_originals_come_back_whole(ret: str, size: int, whole: bool) -> None:
    assert carries_original(ret, size) is whole


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(0, "5.1.2", "no such domain"), Hard.DNS),
        (Reply(550, "5.1.1", "no such user"), Hard.REFUSED),
        (Reply(556, "5.1.10", "null MX"), Hard.REFUSED),
        (Reply(450, "4.2.0", "later"), Hard.EXPIRED),
        (Reply(0, "4.4.1", "no connection"), Hard.EXPIRED),
        (Reply(0, "5.4.7", "given up"), Hard.OTHER),
    ],
)
def test_every_recipient_that_is_given_up_belongs_to_one_count(reply: Reply, kind: Hard) -> None:
    assert why_hard(reply) is kind
