"""Where a server must give up the stream."""

from tests.vectors.generator.words import CID, HELLO, SMALL, Case, Group, framing, plain

group = Group(f"{CID[0]}.1", body="x" * 20 + "\r\n")
over = Group(f"{CID[0]}.1", body="x" * 900)
head = group.commands + group.meta
mail, mail_rcpt, no_parse = "250 2.1.0\r\n", "250 2.1.0\r\n250 2.1.5\r\n", "a command does not parse"
CASES: list[Case] = [
    framing("mail-no-path", "MAIL without a path", "MAIL FROM:a@example.org\r\n", "", no_parse),
    framing("bare-cr-in-line", "a control character in a line", "NOOP\rX\r\n", "", no_parse),
    framing("not-a-verb", "no verb", ":\r\n", "", no_parse),
    framing(
        "lower-case",
        "verbs are upper case",
        group.octets.replace("BDAT", "bdat"),
        plain(),
        "not a command of a group",
    ),
    framing(
        "verb-in-group",
        "a control command inside a group",
        group.commands + "NOOP\r\n",
        mail_rcpt,
        "not a command of a group",
    ),
    framing("quit-in-group", "QUIT inside a group", group.commands + "QUIT\r\n", mail_rcpt, "not a command of a group"),
    framing("mail-in-group", "MAIL inside a group", group.mail + group.octets, mail, "not a command of a group"),
    framing("data", "DATA does not exist", group.commands + "DATA\r\n", mail_rcpt, "not a command of a group"),
    framing("rcpt-first", "RCPT outside a group", "RCPT TO:<b@example.com>\r\n", "", "verb out of order"),
    framing("ehlo-late", "EHLO after XQHELLO", "EHLO gw1.example\r\n", "", "verb out of order"),
    framing("hello-late", "XQHELLO while a unit is unanswered", HELLO, "", "XQHELLO while units are unanswered"),
    framing("rcpt-late", "RCPT behind XQMETA", head + "RCPT TO:<c@example.com>\r\n", plain(), "RCPT behind XQMETA"),
    framing("meta-twice", "two XQMETA", head + group.meta, plain(), "XQMETA twice"),
    framing("no-meta", "BDAT without XQMETA", group.commands + "BDAT 0 LAST\r\n", mail_rcpt, "BDAT before XQMETA"),
    framing(
        "meta-line",
        "XQMETA without its length: nobody knows where it ends",
        group.commands + "XQMETA 1 x\r\n",
        mail_rcpt,
        no_parse,
    ),
    framing(
        "meta-too-long",
        "metadata over META",
        group.commands + f"XQMETA 1 201 {'0' * 64}\r\n",
        mail_rcpt,
        "metadata over META",
        limits=SMALL,
    ),
    framing(
        "bdat-short",
        "BDAT says less than follows: the rest is read as a command",
        head + "BDAT 18\r\n" + group.body,
        plain() + "250 2.0.0\r\n",
        "not a command of a group",
    ),
    framing(
        "bdat-long",
        "BDAT says more than follows: the next line is swallowed",
        head + "BDAT 24\r\n" + group.body + "12BDAT x\r\n",
        plain() + f"554 5.6.0 XQDIGEST {group.xid}\r\n",
        no_parse,
    ),
    framing(
        "bdat-huge",
        "a chunk over 2 x MAX",
        head + "BDAT 2001\r\n",
        plain(),
        "over twice the size limit",
        limits=SMALL,
    ),
    framing(
        "rcpt-flood",
        "over 2 x RCPT recipients",
        group.mail + group.rcpts[0] * 5,
        mail + "250 2.1.5\r\n" * 2 + f"452 4.5.3 XQRCPTS {group.xid}\r\n503 5.5.1 XQGROUP\r\n",
        "too many RCPT",
        limits=SMALL,
    ),
    framing("line-too-long", "a command line over 2,048 octets", "NOOP" + " " * 2050, "", "line too long"),
    framing("window", "more units than WIN", "NOOP\r\n" * 4, "250 2.0.0 XQOK\r\n" * 3, "over WIN", limits=SMALL),
    framing(
        "window-bytes",
        "more octets than WBYTES, and not alone",
        over.octets,
        plain(),
        "over WBYTES",
        limits=SMALL | {"window_bytes": 1500},
    ),
    framing("journal-too-large", "rows over 1 MiB", f"XQJRNL 1 2 1048577 {'0' * 64}\r\n", "", "XQJRNL is too large"),
]
