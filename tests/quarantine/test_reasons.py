from pratique.quarantine.lifecycle import Cause
from pratique.quarantine.reasons import (
    CAUSE_WORDS,
    REASON_CHARS_MAX,
    antivirus,
    content_filter,
    message_filter,
    outbreak_rule,
    unknown,
)


def test_the_texts_for_the_logs_parentheses():
    assert message_filter("policy_violation") == "message filter:policy_violation"
    assert content_filter("Profanity") == "content filter:Profanity"
    assert outbreak_rule("OR-7") == "Outbreak rule:OR-7"
    assert antivirus("EICAR-AV-Test") == "antivirus:EICAR-AV-Test"
    assert unknown("clamd timed out") == "unknown: clamd timed out"


def test_a_reason_fits_into_the_metadata():
    for make in (message_filter, content_filter, outbreak_rule, antivirus, unknown):
        assert len(make("x" * 1000)) == REASON_CHARS_MAX


def test_every_cause_has_words_for_a_reader():
    assert set(CAUSE_WORDS) == set(Cause)
    assert CAUSE_WORDS[Cause.MANUAL] == "manually released"
