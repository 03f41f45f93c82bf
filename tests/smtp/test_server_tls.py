"""STARTTLS at the server core: nothing said in clear survives it; where it is required nothing else goes before it."""

import pytest

from pratique.mail.reply import R250_OK, R421_SHUTTING_DOWN
from pratique.smtp.events import BodyEnded, ConnectionEnded, StartTls
from pratique.smtp.limits import ServerSettings
from tests.smtp.dialogue import Server, accept, codes

EHLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<a@example.org>\r\n"
RCPT = b"RCPT TO:<b@example.net>\r\n"
TLS = ServerSettings(starttls=True)


def test_starttls_forgets_what_was_said_in_clear() -> None:
    server = Server(TLS)
    assert b"STARTTLS" in server.say(EHLO)
    assert server.say(b"STARTTLS\r\n") == b"220 2.0.0 ready to start TLS\r\n"
    assert server.events[-1] == StartTls()
    server.core.receive_data(b"")  # nothing is not an octet
    server.core.tls_started()
    assert codes(server.say(MAIL)) == ["503 5.5.1"]
    assert b"STARTTLS" not in server.say(EHLO)
    assert codes(server.say(b"STARTTLS\r\n")) == ["503 5.5.1"]
    assert codes(server.say(MAIL + RCPT)) == ["250 2.1.0", "250 2.1.5"]


@pytest.mark.parametrize("behind", [b"M", EHLO + MAIL, b"\r\n", b"\0"])
def test_octets_behind_starttls_end_the_connection(behind: bytes) -> None:
    at_once = Server(TLS)
    assert codes(at_once.say(EHLO + b"STARTTLS\r\n" + behind)) == ["250", "503 5.5.1"]
    assert at_once.ended == ConnectionEnded(clean=False, reason="octets behind STARTTLS")

    queued = Server(TLS)
    queued.core.receive_data(EHLO + b"STARTTLS\r\n")
    queued.core.receive_data(behind)
    assert codes(queued.run()) == ["250", "503 5.5.1"]
    assert queued.ended == at_once.ended

    after = Server(TLS)
    assert codes(after.say(EHLO + b"STARTTLS\r\n")) == ["250", "220 2.0.0"]
    assert after.say(behind) == b""
    assert after.ended == at_once.ended
    after.core.tls_started()
    assert after.say(EHLO + MAIL) == b""


def test_octets_that_came_while_an_answer_was_owed_do_not_survive_starttls() -> None:
    core = Server(TLS).core
    core.receive_data(EHLO + MAIL + RCPT + b"DATA\r\n.\r\nSTARTTLS\r\n")
    while not isinstance(event := core.next_event(), BodyEnded):
        if core.asking:
            assert event is not None
            core.reply(accept(event))
    core.receive_data(MAIL)
    core.reply(R250_OK)
    assert core.next_event() == ConnectionEnded(clean=False, reason="octets behind STARTTLS")
    assert b"220" not in core.data_to_send()


def test_starttls_takes_no_argument_and_no_open_transaction() -> None:
    server = Server(TLS)
    assert codes(server.say(EHLO + b"STARTTLS now\r\n" + MAIL + b"STARTTLS\r\n")) == [
        "250",
        "501 5.5.4",
        "250 2.1.0",
        "503 5.5.1",
    ]


def test_the_end_of_input_or_a_shutdown_while_tls_starts_says_nothing_in_clear() -> None:
    for end in (lambda s: s.core.receive_eof(), lambda s: s.core.shut_down(R421_SHUTTING_DOWN)):
        server = Server(TLS)
        server.say(EHLO + b"STARTTLS\r\n")
        end(server)
        assert server.run() == b"" and server.ended is not None


def test_tls_started_without_starttls_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        Server(TLS).core.tls_started()


def test_where_tls_is_required_nothing_else_goes_before_it() -> None:
    server = Server(ServerSettings(starttls=True, tls_required=True))
    said = b"HELO x\r\n" + EHLO + b"NOOP\r\nRSET\r\n" + MAIL + RCPT + b"DATA\r\nVRFY x\r\nBDAT 6\r\nNOOP\r\nFOO\r\n"
    assert codes(server.say(said)) == (["250"] * 2 + ["250 2.0.0"] * 2 + ["530 5.7.0"] * 5 + ["500 5.5.2"])
    server.say(b"STARTTLS\r\n")
    server.core.tls_started()
    assert codes(server.say(EHLO + MAIL)) == ["250", "250 2.1.0"]
