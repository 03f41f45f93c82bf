"""When an SMTP command may be said to the server: the whole state machine as one table.

    CONNECTED   before our greeting               CHUNKS   at least one BDAT chunk was taken, LAST not yet
    HELLO       greeted; EHLO or HELO is due      DATA     354 was said; what comes is content
    READY       no transaction                    TLS      220 was said to STARTTLS; the edge owns the octets
    MAIL        sender accepted                   ENDED    nothing is read any more
    RCPT        a recipient accepted

A pair that is absent is answered 503. The value is the state after success; a refused command changes nothing.
Standards: RFC 5321 §4.1.4, RFC 3030 §2, RFC 3207 §4.
"""

from enum import IntEnum, auto

from pratique.mail.reply import R503_SEQUENCE, R530_TLS_REQUIRED, Reply
from pratique.smtp.replies import R500_UNKNOWN, R503_HELLO, R503_MAIL, R554_NO_RECIPIENTS, R554_NOT_HTTP


class State(IntEnum):  # an int hashes in C, and every command looks its state up
    CONNECTED = auto()
    HELLO = auto()
    READY = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CHUNKS = auto()
    TLS = auto()
    ENDED = auto()


# In these states a transaction is open: RSET, EHLO or a lost connection aborts it.
TRANSACTION = frozenset({State.MAIL, State.RCPT, State.DATA, State.CHUNKS})

_COMMAND_STATES = (State.HELLO, State.READY, State.MAIL, State.RCPT, State.CHUNKS)

TABLE: dict[tuple[State, str], State] = {
    (State.READY, "MAIL"): State.MAIL,
    (State.MAIL, "RCPT"): State.RCPT,
    (State.RCPT, "RCPT"): State.RCPT,
    (State.RCPT, "DATA"): State.DATA,
    (State.RCPT, "BDAT"): State.CHUNKS,
    (State.CHUNKS, "BDAT"): State.CHUNKS,
    (State.READY, "STARTTLS"): State.TLS,
    # RFC 5321 §4.1.4: EHLO may come at any time and resets; so does HELO
    **{(state, verb): State.READY for state in _COMMAND_STATES for verb in ("EHLO", "HELO")},
    **{(state, "QUIT"): State.ENDED for state in _COMMAND_STATES},
    (State.HELLO, "RSET"): State.HELLO,
    **{(state, "RSET"): State.READY for state in _COMMAND_STATES if state is not State.HELLO},
    # RFC 5321 §4.1.4: NOOP, HELP, EXPN, VRFY and RSET "can be used at any time during a session"
    **{(state, verb): state for state in _COMMAND_STATES for verb in ("NOOP", "VRFY", "EXPN", "HELP")},
}

VERBS = frozenset(verb for _, verb in TABLE)

# The same table by state, so that the common path looks up one short string.
MOVES: dict[State, dict[str, State]] = {
    state: {verb: after for (before, verb), after in TABLE.items() if before is state} for state in State
}

# All that may be said in clear where TLS is required (RFC 3207 §4); RSET does nothing then.
BEFORE_TLS = frozenset({"EHLO", "HELO", "STARTTLS", "NOOP", "QUIT", "RSET"})
# RFC 5321 §4.1.1: these take no argument. NOOP and HELP may.
NO_ARGUMENT = frozenset({"DATA", "RSET", "QUIT", "STARTTLS"})
# Refused out of sequence, these are what PIPELINING makes of an earlier refusal; they are not held against the client.
CONSEQUENCES = frozenset({"RCPT", "DATA", "BDAT"})
# A browser or a proxy that was led here (cross-protocol attack): whatever follows is not meant for us.
HTTP_VERBS = frozenset({"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "HOST:"})


def refusal_of(state: State, verb: str, *, clear_refused: bool) -> Reply | None:
    """Why the verb cannot be said now, or None. `clear_refused`: TLS is required and is not up."""
    if verb not in VERBS:
        return R554_NOT_HTTP if verb in HTTP_VERBS else R500_UNKNOWN
    if clear_refused and verb not in BEFORE_TLS:
        return R530_TLS_REQUIRED
    if verb in MOVES[state]:
        return None
    if state is State.HELLO:
        return R503_HELLO
    if state is State.MAIL and verb in ("DATA", "BDAT"):
        return R554_NO_RECIPIENTS  # RFC 5321 §4.1.1.4, RFC 2920 §3.1
    return R503_MAIL if state is State.READY else R503_SEQUENCE
