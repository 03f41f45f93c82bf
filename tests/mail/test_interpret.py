from pratique.mail.headers import read_headers
from pratique.mail.interpret import describe

OCTETS = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@b.example>\r\nsubject: =?utf-8?b?R3LDvMOfZQ==?=\r\nMessage-ID: <1@b>\r\n\r\nbody"
)


def test_what_reviewers_and_rules_ask_for():
    subject, sender, message_id, headers = describe(OCTETS)
    assert (subject, sender, message_id) == ("Grüße", "Jürgen <j@b.example>", "<1@b>")
    assert headers == (("From", "Jürgen <j@b.example>"), ("subject", "Grüße"), ("Message-ID", "<1@b>"))


def test_headers_that_were_read_already_are_not_read_again():
    assert describe(read_headers(OCTETS)) == describe(OCTETS)


def test_what_is_missing_is_empty():
    assert describe(b"") == ("", "", "", ())
