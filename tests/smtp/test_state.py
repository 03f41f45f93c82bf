"""The table of the server: every state and every verb, so that no pair is allowed by accident."""

import pytest

from pratique.mail.reply import R503_SEQUENCE, R530_TLS_REQUIRED
from pratique.smtp import replies
from pratique.smtp.state import BEFORE_TLS, MOVES, TABLE, TRANSACTION, VERBS, State, refusal_of

ANY_TIME = {"NOOP", "HELP", "EXPN", "VRFY", "RSET", "QUIT", "EHLO", "HELO"}
ALLOWED = {
    State.CONNECTED: set(),
    State.HELLO: ANY_TIME,
    State.READY: ANY_TIME | {"MAIL", "STARTTLS"},
    State.MAIL: ANY_TIME | {"RCPT"},
    State.RCPT: ANY_TIME | {"RCPT", "DATA", "BDAT"},
    State.DATA: set(),
    State.CHUNKS: ANY_TIME | {"BDAT"},
    State.TLS: set(),
    State.ENDED: set(),
}


@pytest.mark.parametrize("state", State)
def test_what_may_be_said(state: State) -> None:
    assert set(MOVES[state]) == ALLOWED[state]
    for verb in VERBS:
        assert (refusal_of(state, verb, clear_refused=False) is None) is (verb in ALLOWED[state])


def test_only_a_reset_leaves_a_transaction_without_ending_it() -> None:
    leaving = {verb for (state, verb), after in TABLE.items() if state in TRANSACTION and after not in TRANSACTION}
    assert leaving == {"RSET", "EHLO", "HELO", "QUIT"}


@pytest.mark.parametrize(
    ("state", "verb", "reply"),
    [
        (State.HELLO, "MAIL", replies.R503_HELLO),
        (State.READY, "DATA", replies.R503_MAIL),
        (State.MAIL, "DATA", replies.R554_NO_RECIPIENTS),
        (State.MAIL, "BDAT", replies.R554_NO_RECIPIENTS),
        (State.RCPT, "MAIL", R503_SEQUENCE),
        (State.CHUNKS, "DATA", R503_SEQUENCE),
        (State.READY, "XQHELLO", replies.R500_UNKNOWN),
        (State.HELLO, "GET", replies.R554_NOT_HTTP),
    ],
)
def test_why_it_may_not(state: State, verb: str, reply: object) -> None:
    assert refusal_of(state, verb, clear_refused=False) == reply


def test_before_tls() -> None:
    for verb in VERBS:
        refused = refusal_of(State.READY, verb, clear_refused=True) == R530_TLS_REQUIRED
        assert refused is (verb not in BEFORE_TLS)
    assert refusal_of(State.READY, "FOO", clear_refused=True) == replies.R500_UNKNOWN
