"""The server core, as clients see it: commands, sequence, limits, STARTTLS. Content is in test_server_content.py."""

import pytest

from pratique.mail.reply import (
    R250_OK,
    R421_SHUTTING_DOWN,
    R451_LOCAL,
    R550_RECIPIENT_REFUSED,
    R554_ACCESS_DENIED,
)
from pratique.smtp.events import (
    CommandRefused,
    ConnectionEnded,
    HelloGiven,
    MailGiven,
    MessageAborted,
    RcptGiven,
)
from pratique.smtp.limits import Limits
from pratique.smtp.server import ServerConnection, ServerSettings
from tests.smtp.dialogue import Server, accept, codes

EHLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<a@example.org>\r\n"
RCPT = b"RCPT TO:<b@example.net>\r\n"
TLS = ServerSettings(starttls=True)

# What a client says after the greeting, and the replies, one per command.
DIALOGUES = {
    "a whole message": (
        [b"EHLO x\r\n", MAIL, RCPT, b"DATA\r\n", b"hi\r\n.\r\n", b"QUIT\r\n"],
        "250|250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0",
    ),
    "by HELO": (
        [b"HELO x\r\n", MAIL, RCPT, b"DATA\r\n", b".\r\n", b"quit\r\n"],
        "250|250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0",
    ),
    "any case, trailing blanks": (
        [b"ehlo x \t\r\n", b"mail from:<a@example.org> \r\n", b"rcpt To:<b@example.net>\r\n", b"data \r\n", b".\r\n"],
        "250|250 2.1.0|250 2.1.5|354|250 2.0.0",
    ),
    "null sender, bare postmaster": (
        [EHLO, b"MAIL FROM:<>\r\n", b"RCPT TO:<postmaster>\r\n"],
        "250|250 2.1.0|250 2.1.5",
    ),
    "before EHLO": ([MAIL, RCPT, b"DATA\r\n", b"BDAT 3\r\nabc", b"STARTTLS\r\n"], "|".join(["503 5.5.1"] * 5)),
    "before MAIL": ([EHLO, RCPT, b"DATA\r\n", b"BDAT 3 LAST\r\nabc"], "250|503 5.5.1|503 5.5.1|503 5.5.1"),
    "before RCPT": ([EHLO, MAIL, b"DATA\r\n", b"BDAT 3\r\nabc"], "250|250 2.1.0|554 5.5.1|554 5.5.1"),
    "nested MAIL": ([EHLO, MAIL, MAIL], "250|250 2.1.0|503 5.5.1"),
    "the small ones": (
        [b"NOOP\r\n", b"NOOP x\r\n", b"VRFY root\r\n", b"VRFY\r\n", b"EXPN all\r\n", b"HELP\r\n", b"RSET\r\n"],
        "250 2.0.0|250 2.0.0|252 2.5.0|501 5.5.4|502 5.5.1|214 2.0.0|250 2.0.0",
    ),
    "no argument": (
        [EHLO, b"RSET x\r\n", b"QUIT x\r\n", MAIL, RCPT, b"DATA x\r\n"],
        "250|501 5.5.4|501 5.5.4|250 2.1.0|250 2.1.5|501 5.5.4",
    ),
    "unknown": ([b"XQHELLO 1\r\n", b"AUTH PLAIN\r\n", b"\r\n", b"MAILFROM:<a@b>\r\n"], "|".join(["500 5.5.2"] * 4)),
    "bad names": ([b"EHLO\r\n", b"HELO " + b"x" * 256 + b"\r\n", b"EHLO \xc3\xbc\r\n"], "|".join(["501 5.5.4"] * 3)),
    "control and 8-bit octets": (
        [EHLO, b"NOOP\0\r\n", b"NO\rOP\r\n", b"MAIL FROM:<\xff\xfe@x>\r\n", b"VRFY a\tb\r\n", b"VRFY \xc2\x85\r\n"],
        "250|" + "|".join(["500 5.5.2"] * 5),
    ),
    "STARTTLS not offered": ([EHLO, b"STARTTLS\r\n"], "250|502 5.5.1"),
    "RSET takes the envelope away": (
        [EHLO, MAIL, RCPT, b"RSET\r\n", RCPT],
        "250|250 2.1.0|250 2.1.5|250 2.0.0|503 5.5.1",
    ),
    "EHLO too": ([EHLO, MAIL, RCPT, EHLO, b"DATA\r\n"], "250|250 2.1.0|250 2.1.5|250|503 5.5.1"),
    "SIZE too large": ([EHLO, b"MAIL FROM:<a@example.org> SIZE=104857601\r\n", RCPT], "250|552 5.3.4|503 5.5.1"),
    "SIZE of 10^19": ([EHLO, b"MAIL FROM:<a@example.org> SIZE=99999999999999999999\r\n"], "250|552 5.3.4"),
    "bad grammar": (
        [EHLO, b"MAIL FROM:<a@x\r\n", b"MAIL FROM:<a b@x.example>\r\n", MAIL, b"RCPT TO:<>\r\n", b"RCPT b\r\n", RCPT],
        "250|501 5.5.4|501 5.5.4|250 2.1.0|501 5.1.3|501 5.5.4|250 2.1.5",
    ),
    "parameters without EHLO": ([b"HELO x\r\n", b"MAIL FROM:<a@example.org> SIZE=1\r\n"], "250|555 5.5.4"),
}


@pytest.mark.parametrize("name", DIALOGUES)
@pytest.mark.parametrize("piece", [0, 1])
def test_dialogue(name: str, piece: int) -> None:
    said, replies = DIALOGUES[name]
    one_by_one = Server()
    answers = [one_by_one.say(command, piece=piece) for command in said]
    assert "|".join("".join(codes(answer)) for answer in answers) == replies
    together = Server()
    assert together.say(b"".join(said), piece=piece) == b"".join(answers)
    assert together.story() == one_by_one.story()


def test_greeting_and_ehlo_list_what_is_offered() -> None:
    core = ServerConnection(hostname="mx.example", settings=TLS)
    core.receive_data(b"EHLO early\r\n")
    assert core.next_event() is None and core.data_to_send() == b""
    core.greet()
    assert core.data_to_send() == b"220 mx.example ESMTP\r\n"
    assert core.next_event() == HelloGiven("early", extended=True)
    assert core.data_to_send().decode().splitlines() == [
        "250-mx.example",
        "250-PIPELINING",
        "250-SIZE 104857600",
        "250-8BITMIME",
        "250-CHUNKING",
        "250-DSN",
        "250-ENHANCEDSTATUSCODES",
        "250-SMTPUTF8",
        "250 STARTTLS",
    ]


def test_smtputf8_can_be_left_out() -> None:
    server = Server(ServerSettings(smtputf8=False))
    assert b"SMTPUTF8" not in server.say(EHLO)
    assert codes(server.say(b"MAIL FROM:<a@example.org> SMTPUTF8\r\n")) == ["555 5.5.4"]


def test_refused_connection_hears_why_and_nothing_else() -> None:
    server = Server(greet=False)
    server.core.refuse(R554_ACCESS_DENIED)
    assert server.say(EHLO + MAIL) == b"554 5.7.1 access denied\r\n"
    assert server.events == [ConnectionEnded(clean=False, reason="access denied")]


def test_pipelined_replies_leave_together_and_in_order() -> None:
    server = Server()
    server.core.receive_data(EHLO + MAIL + RCPT + RCPT + b"DATA\r\n")
    assert codes(server.run()) == ["250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "354"]


def test_nothing_is_read_while_a_question_is_open() -> None:
    core = Server().core
    core.receive_data(EHLO + MAIL + b"RSET\r\nNOOP\r\n")
    assert isinstance(core.next_event(), HelloGiven)
    assert isinstance(core.next_event(), MailGiven)
    core.data_to_send()
    assert core.asking and core.next_event() is None and core.data_to_send() == b""
    core.reply(R250_OK)
    assert not core.asking
    assert core.next_event() == MessageAborted("RSET")
    assert core.next_event() is None
    assert codes(core.data_to_send()) == ["250 2.0.0"] * 3


def test_an_answer_without_a_question_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        Server().core.reply(R250_OK)


def test_refusals_of_the_role_leave_the_state_as_it_was() -> None:
    refused = {MailGiven: R451_LOCAL}
    server = Server(answer=lambda event: refused.get(type(event)) or accept(event))
    assert codes(server.say(EHLO + MAIL + RCPT)) == ["250", "451 4.3.0", "503 5.5.1"]
    refused.clear()
    refused[RcptGiven] = R550_RECIPIENT_REFUSED
    assert codes(server.say(MAIL + RCPT + b"DATA\r\n")) == ["250 2.1.0", "550 5.1.1", "554 5.5.1"]
    refused.clear()
    assert codes(server.say(RCPT + b"DATA\r\n.\r\n")) == ["250 2.1.5", "354", "250 2.0.0"]


def test_421_from_the_role_ends_the_session() -> None:
    server = Server(answer=lambda event: R421_SHUTTING_DOWN)
    assert codes(server.say(EHLO + MAIL + RCPT)) == ["250", "421 4.3.2"]
    assert server.ended == ConnectionEnded(clean=False, reason=R421_SHUTTING_DOWN.text)


# --- ends ------------------------------------------------------------------------------------------------------
def test_quit_is_clean_and_what_follows_is_not_read() -> None:
    server = Server()
    assert codes(server.say(EHLO + MAIL + b"QUIT\r\n" + MAIL)) == ["250", "250 2.1.0", "221 2.0.0"]
    assert server.events[-2:] == [MessageAborted("QUIT"), ConnectionEnded(clean=True, reason="QUIT")]
    assert server.say(MAIL) == b"" and server.end() == b""
    assert server.events.count(ConnectionEnded(clean=True, reason="QUIT")) == 1


@pytest.mark.parametrize("said", [b"", EHLO, EHLO + MAIL, EHLO + MAIL + RCPT + b"DATA\r\nhalf", b"NOO"])
def test_a_lost_connection_aborts_what_was_under_way(said: bytes) -> None:
    server = Server()
    server.say(said)
    assert server.end() == b""
    assert server.ended == ConnectionEnded(clean=False, reason="connection lost")
    assert (MessageAborted("connection lost") in server.events) is (MAIL in said)
    assert server.messages == []


def test_what_came_before_the_end_of_input_is_still_answered() -> None:
    server = Server()
    server.core.receive_data(EHLO + MAIL + RCPT + b"DATA\r\nhi\r\n.\r\n")
    server.core.receive_eof()
    assert codes(server.run())[-1] == "250 2.0.0"
    assert [m.body for m in server.messages] == [b"hi\r\n"]
    assert server.ended is not None


def test_end_of_input_before_the_greeting() -> None:
    server = Server(greet=False)
    server.say(EHLO)
    server.end()
    assert server.ended == ConnectionEnded(clean=False, reason="connection lost")


def test_shut_down_at_once_or_after_the_answer_that_is_owed() -> None:
    idle = Server()
    idle.say(EHLO + MAIL)
    idle.core.shut_down(R421_SHUTTING_DOWN)
    assert codes(idle.run()) == ["421 4.3.2"]
    assert idle.events[-2:] == [
        MessageAborted(R421_SHUTTING_DOWN.text),
        ConnectionEnded(clean=False, reason=R421_SHUTTING_DOWN.text),
    ]
    idle.core.shut_down(R421_SHUTTING_DOWN)
    assert idle.run() == b""

    asking = Server().core
    asking.receive_data(EHLO + MAIL + RCPT)
    asking.next_event()
    asking.next_event()
    asking.data_to_send()
    asking.shut_down(R421_SHUTTING_DOWN)
    assert asking.data_to_send() == b""
    asking.reply(R250_OK)
    assert codes(asking.data_to_send()) == ["250 2.0.0", "421 4.3.2"]
    assert asking.next_event() == MessageAborted(R421_SHUTTING_DOWN.text)
    assert isinstance(asking.next_event(), ConnectionEnded)


@pytest.mark.parametrize("verb", [b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"connect x:25 HTTP/1.0", b"Host: x"])
def test_http_is_shown_the_door(verb: bytes) -> None:
    server = Server()
    assert codes(server.say(verb + b"\r\n" + EHLO + MAIL)) == ["554 5.5.1"]
    assert server.ended is not None and "HTTP" in server.ended.reason
    assert not [e for e in server.events if isinstance(e, MailGiven)]


def test_a_bare_line_feed_ends_the_session_and_smuggles_no_command() -> None:
    server = Server()
    replies = server.say(EHLO + b"VRFY x\nMAIL FROM:<evil@example.org>\r\n")
    assert codes(replies) == ["250", "500 5.5.2"]
    assert server.ended is not None and server.ended.reason == "bare LF in a command"
    for line in (b"\n", b"\nNOOP\r", b"\n\r"):
        server = Server()
        assert codes(server.say(line)) == ["500 5.5.2"] and server.ended is not None


# --- limits ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("piece", [0, 1, 1000])
def test_a_long_line_is_dropped_and_not_kept(piece: int) -> None:
    server = Server()
    for _ in range(50):
        assert server.say(b"a" * 4000, piece=piece and 1000) == b""
        assert len(server.core._octets) <= 5000
    assert codes(server.say(b"a\r\nNOOP\r\n", piece=piece)) == ["500 5.5.2", "250 2.0.0"]


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_the_longest_line_is_taken_and_one_octet_more_is_not(piece: int) -> None:
    fits = b"NOOP " + b"x" * (2048 - 7) + b"\r\n"
    server = Server()
    assert codes(server.say(fits, piece=piece)) == ["250 2.0.0"]
    assert codes(server.say(b"NOOP x" + fits[5:], piece=piece)) == ["500 5.5.2"]
    assert codes(server.say(b"NOOP" + b"x" * 4000 + b"\n" + EHLO, piece=piece)) == ["500 5.5.2"]
    assert server.ended is not None


def test_too_many_errors_end_the_session() -> None:
    server = Server(ServerSettings(limits=Limits(errors_max=3)))
    assert codes(server.say(b"FOO\r\n" * 9)) == ["500 5.5.2"] * 3 + ["421 4.7.0"]
    assert next(e for e in server.events if isinstance(e, CommandRefused)).command == "FOO"
    assert server.ended == ConnectionEnded(clean=False, reason="too many errors, closing")


def test_one_end_is_told_when_two_things_end_the_session() -> None:
    server = Server(ServerSettings(limits=Limits(errors_max=1)))
    assert codes(server.say(b"NOOP\n")) == ["500 5.5.2", "421 4.7.0"]
    assert len([e for e in server.events if isinstance(e, ConnectionEnded)]) == 1


def test_what_pipelining_makes_of_one_refusal_is_no_attack() -> None:
    refused = {MailGiven: R451_LOCAL}
    server = Server(answer=lambda event: refused.get(type(event)) or accept(event))
    assert set(codes(server.say(EHLO + MAIL + RCPT * 100 + b"DATA\r\n"))) == {"250", "451 4.3.0", "503 5.5.1"}
    assert server.ended is None
    refused.clear()
    assert codes(server.say(MAIL + b"RCPT TO:b\r\n" * 30))[-1] == "421 4.7.0"


def test_too_many_commands_end_the_session() -> None:
    server = Server(ServerSettings(limits=Limits(commands_max=5)))
    assert codes(server.say(b"NOOP\r\n" * 9)) == ["250 2.0.0"] * 5 + ["421 4.7.0"]


def test_too_many_messages_end_the_session() -> None:
    server = Server(ServerSettings(limits=Limits(messages_max=2)))
    message = MAIL + RCPT + b"DATA\r\n.\r\n"
    assert codes(server.say(EHLO + message * 3))[-1] == "421 4.7.0"
    assert len(server.messages) == 2


def test_recipients_over_the_limit_get_452_and_the_message_goes_on() -> None:
    server = Server(ServerSettings(limits=Limits(recipients_max=3)))
    replies = codes(server.say(EHLO + MAIL + RCPT * 50 + b"DATA\r\n.\r\n"))
    assert replies == ["250", "250 2.1.0"] + ["250 2.1.5"] * 3 + ["452 4.5.3"] * 47 + ["354", "250 2.0.0"]
    assert len(server.messages[0].recipients) == 3
    assert codes(server.say(MAIL + RCPT * 4)) == ["250 2.1.0"] + ["250 2.1.5"] * 3 + ["452 4.5.3"]


def test_a_hundred_thousand_recipients_are_answered_in_bounded_memory() -> None:
    server = Server()
    server.say(EHLO + MAIL)
    count = 0
    for _ in range(999):
        count += len(codes(server.say(RCPT * 100)))
        assert len(server.core._octets) <= len(RCPT) * 101 and not server.core._fresh
        server.events.clear()
    assert count == 99_900


def test_the_verb_of_a_refused_command_is_safe_to_log() -> None:
    server = Server()
    server.say(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n" + "\u00fcber\r\n".encode())
    assert [e.command for e in server.events if isinstance(e, CommandRefused)] == ["ABCDEFGHIJKLMNOP", "BER"]
