"""What a server refuses by itself; the session goes on."""

from typing import Any

from tests.vectors.generator.words import CID, SMALL, Case, Group, on_wire, plain, refused, sha


def _version_zero(xid: str) -> Group:
    group = Group(xid)
    group.octets = group.octets.replace("XQMETA 1 ", "XQMETA 0 ")
    return group


def _bad_rows(xid: str) -> list[Case]:
    row = f"2 FIN {xid} - 5 R=delivered\r\n"
    bad = {
        "below-after": (2, 3, row),
        "above-last": (0, 1, row),
        "not-ascending": (1, 9, row + row),
        "after-above-last": (9, 1, ""),
        "key-twice": (1, 2, row.replace("\r\n", " R=dropped\r\n")),
        "unknown-state": (1, 2, row.replace("FIN", "GONE")),
        "no-end": (1, 2, row.removesuffix("\r\n")),
        "too-long": (1, 2, row.replace("\r\n", f" WHY={'x' * 990}\r\n")),
    }
    return [
        refused(
            f"journal-{name}",
            "the rows are refused as a whole",
            f"XQJRNL {after} {last} {len(payload)} {sha(payload)}\r\n{payload}",
            "555 5.5.4 XQPARAM -\r\n",
        )
        for name, (after, last, payload) in bad.items()
    ]


xid = f"{CID[0]}.1"
good = Group(xid)
accept = ["250 2.1.0\r\n", "250 2.1.5\r\n", "250 2.0.0\r\n"]
spoilt = "503 5.5.1 XQGROUP\r\n"


def fault(name: str, about: str, group: Group, place: int, reply: str, named: str = xid, **more: Any) -> dict[str, Any]:
    """The fault is answered at command `place` (0 MAIL, 1 RCPT, 2 XQMETA, 3 BDAT LAST) and again at the end."""
    line = on_wire(named, reply)
    replies = (accept[:place] + [line] + [spoilt] * (2 - place) + [line]) if place < 3 else [*accept, line]
    return refused(name, about, group.octets, "".join(replies), **more)


many = Group(xid, rcpts=[f"RCPT TO:<r{n}@example.com>\r\n" for n in range(3)])
big = Group(xid, body="x" * 1001)
chunked = good.commands + good.meta
bare = "554 5.6.0 XQBARE"
CASES: list[Case] = [
    fault(
        "mail-parameter",
        "unknown parameter",
        Group(xid, mail=good.mail.replace("\r\n", " X=1\r\n")),
        0,
        "555 5.5.4 XQPARAM",
    ),
    fault(
        "mail-order",
        "parameters out of order",
        Group(xid, mail=good.mail.replace(" BODY=8BITMIME", "").replace(" XQXID", " BODY=8BITMIME XQXID")),
        0,
        "555 5.5.4 XQPARAM",
    ),
    fault(
        "mail-no-id",
        "id unreadable: match by position",
        Group(xid, mail=good.mail.replace(xid, xid.upper())),
        0,
        "555 5.5.4 XQPARAM",
        "-",
    ),
    fault(
        "mail-8bit",
        "8-bit address without SMTPUTF8",
        Group(xid, mail=good.mail.replace("<a@", "<\u00c3\u00b6@")),
        0,
        "555 5.5.4 XQPARAM",
    ),
    fault(
        "mail-source-route",
        "source routes are not taken",
        Group(xid, mail=good.mail.replace("<a@", "<@x.example:a@")),
        0,
        "555 5.5.4 XQPARAM",
    ),
    fault("mail-seq-too-large", "a number over 2^63-1", Group(xid, seq=9999999999999999999), 0, "555 5.5.4 XQPARAM"),
    fault(
        "hop-parity",
        "an even hop offered to a manager",
        Group(f"{CID[0]}.2"),
        0,
        "550 5.7.1 XQDENIED",
        f"{CID[0]}.2",
    ),
    fault("hop-parity-gateway", "an odd hop offered to a gateway", good, 0, "550 5.7.1 XQDENIED", side="gateway"),
    fault("too-big", "SIZE over MAX; the body is read and dropped", big, 0, "552 5.3.4 XQTOOBIG", limits=SMALL),
    fault("suspended", "a group while suspended", good, 0, "451 4.3.2 XQSUSPENDED", start="suspended"),
    fault("reconciling", "a group during reconciliation", good, 0, "451 4.3.0 XQRECON", start="recon"),
    fault(
        "rcpt-parameter",
        "unknown parameter",
        Group(xid, rcpts=["RCPT TO:<b@example.com> X=1\r\n"]),
        1,
        "555 5.5.4 XQPARAM",
    ),
    fault("rcpt-null", "a null recipient", Group(xid, rcpts=["RCPT TO:<>\r\n"]), 1, "555 5.5.4 XQPARAM"),
    fault(
        "rcpt-notify",
        "NEVER stands alone",
        Group(xid, rcpts=["RCPT TO:<b@example.com> NOTIFY=NEVER,DELAY\r\n"]),
        1,
        "555 5.5.4 XQPARAM",
    ),
    refused(
        "rcpt-too-many",
        "more recipients than RCPT",
        many.octets,
        accept[0] + accept[1] * 2 + on_wire(xid, "452 4.5.3 XQRCPTS") + spoilt + on_wire(xid, "452 4.5.3 XQRCPTS"),
        limits=SMALL,
    ),
    refused(
        "no-recipient",
        "no RCPT at all",
        Group(xid, rcpts=[]).octets,
        accept[0] + on_wire(xid, "554 5.5.1 XQNORCPT") * 2,
    ),
    fault("seal", "the metadata is not what the seal says", Group(xid, seal="0" * 64), 2, "554 5.6.0 XQDIGEST"),
    fault(
        "seal-commands",
        "the seal covers the command lines too",
        Group(xid, seal=sha(good.mail + good.metadata)),
        2,
        "554 5.6.0 XQDIGEST",
    ),
    fault("meta-version-zero", "there is no version 0", _version_zero(xid), 2, "554 5.6.0 XQMETABAD"),
    fault("body-digest", "the body is not what XQSHA256 says", Group(xid, sha256="0" * 64), 3, "554 5.6.0 XQDIGEST"),
    fault("body-short", "fewer octets than SIZE", Group(xid, size=6), 3, "554 5.6.0 XQDIGEST"),
    fault("body-long", "more octets than SIZE", Group(xid, size=4), 3, "554 5.6.0 XQDIGEST"),
    fault("bare-lf", "bare LF in the body", Group(xid, body="a\nb\r\n"), 3, bare),
    fault("bare-cr", "bare CR in the body", Group(xid, body="a\rb\r\n"), 3, bare),
    fault("bare-cr-at-end", "a CR is the last octet", Group(xid, body="ab\r\n\r"), 3, bare),
    fault("bare-both", "LF CR is not CR LF", Group(xid, body="a\n\rb"), 3, bare),
    fault("nul", "NUL in the body", Group(xid, body="a\0b\r\n"), 3, bare),
    refused(
        "bare-in-first-chunk",
        "the fault is answered at its chunk, later chunks are read and dropped",
        (lambda g: g.commands + g.meta + "BDAT 3\r\na\nbBDAT 2\r\n\r\nBDAT 0 LAST\r\n")(Group(xid, body="a\nb\r\n")),
        plain() + on_wire(xid, bare) + spoilt + on_wire(xid, bare),
    ),
    refused(
        "chunk-over-size",
        "the chunk that passes SIZE is refused",
        chunked + "BDAT 3\r\na\r\nBDAT 3\r\nbcdBDAT 0 LAST\r\n",
        plain() + accept[2] + on_wire(xid, "554 5.6.0 XQDIGEST") * 2,
    ),
    refused(
        "cancel-parity",
        "a cancel for the other side's hop",
        f"XQCANCEL {CID[0]}.2 {'0' * 64}\r\n",
        f"550 5.7.1 XQDENIED {CID[0]}.2\r\n",
    ),
    refused(
        "cancel-reconciling",
        "no cancel during reconciliation",
        f"XQCANCEL {xid} {'0' * 64}\r\n",
        f"451 4.3.0 XQRECON {xid}\r\n",
        start="recon",
    ),
    refused(
        "journal-digest",
        "rows that are not what the digest says",
        f"XQJRNL 1 2 3 {'0' * 64}\r\nabc",
        "554 5.6.0 XQDIGEST -\r\n",
    ),
    refused("journal-no-row", "rows that do not parse", f"XQJRNL 1 2 3 {sha('abc')}\r\nabc", "555 5.5.4 XQPARAM -\r\n"),
    *(_bad_rows(xid)),
]
