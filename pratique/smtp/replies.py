"""The replies that the server core gives by itself, and how a reply is put on the wire.

Not here: the replies that the role chooses (mail/reply.py). Each carries its enhanced code (RFC 2034, RFC 3463).
"""

from pratique.mail.reply import Reply


def encode_reply(reply: Reply) -> bytes:
    """The octets of a reply. The common reply, one clean line, does not pay for the general case."""
    text = reply.text
    if text.isascii() and text.isprintable():
        separator = " " if reply.enhanced else ""
        return f"{reply.code} {reply.enhanced}{separator}{text}\r\n".encode("ascii")
    return reply.encode()


R214_HELP = Reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS; see RFC 5321")
R220_TLS = Reply(220, "2.0.0", "ready to start TLS")
R221_BYE = Reply(221, "2.0.0", "bye")
R250_NOOP = Reply(250, "2.0.0", "ok")
R250_RESET = Reply(250, "2.0.0", "reset")
R252_VRFY = Reply(252, "2.5.0", "cannot verify, but will take the message and try to deliver it")
R354_GO = Reply(354, "", "end data with <CRLF>.<CRLF>")

R421_ERRORS = Reply(421, "4.7.0", "too many errors, closing")
R421_COMMANDS = Reply(421, "4.7.0", "too many commands in one session, closing")
R421_MESSAGES = Reply(421, "4.7.0", "too many messages in one session, connect again")

R500_LINE_TOO_LONG = Reply(500, "5.5.2", "command line too long")
R500_LINE_END = Reply(500, "5.5.2", "command lines must end in CRLF, closing")
R500_OCTETS = Reply(500, "5.5.2", "command line contains control characters or invalid UTF-8")
R500_UNKNOWN = Reply(500, "5.5.2", "command not recognized")
R501_ARGUMENT = Reply(501, "5.5.4", "this command takes no argument")
R501_HELLO = Reply(501, "5.5.4", "a host name or an address literal is needed")
R501_MAIL = Reply(501, "5.5.4", "syntax: MAIL FROM:<address> [parameters]")
R501_RCPT = Reply(501, "5.5.4", "syntax: RCPT TO:<address> [parameters]")
R501_BDAT = Reply(501, "5.5.4", "syntax: BDAT size [LAST], closing because what follows cannot be read")
R501_VRFY = Reply(501, "5.5.4", "an address or a name is needed")
R501_SENDER = Reply(501, "5.1.7", "bad sender address syntax")
R501_RECIPIENT = Reply(501, "5.1.3", "bad recipient address syntax")
R501_PARAMETER = Reply(501, "5.5.4", "bad or repeated parameter")
R502_NOT_OFFERED = Reply(502, "5.5.1", "command not offered")
R502_EXPN = Reply(502, "5.5.1", "mailing lists are not expanded")
R503_HELLO = Reply(503, "5.5.1", "say EHLO or HELO first")
R503_BEHIND_STARTTLS = Reply(503, "5.5.1", "nothing may follow STARTTLS before its reply, closing")
R503_MAIL = Reply(503, "5.5.1", "say MAIL first")
R550_BARE = Reply(550, "5.6.0", "message contains a bare CR, bare LF or NUL octet")
R553_NEEDS_UTF8 = Reply(553, "5.6.7", "address is not ASCII and SMTPUTF8 was not given")
R554_NO_RECIPIENTS = Reply(554, "5.5.1", "no valid recipients")
R554_NOT_HTTP = Reply(554, "5.5.1", "this is a mail server, closing")
R555_PARAMETER = Reply(555, "5.5.4", "parameter not recognized")
