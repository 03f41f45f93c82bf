"""Building and sealing a group's octets: the command lines, the metadata, the seal over both (docs/cpq.md §3)."""

import hashlib

from pratique.mail.envelope import Envelope
from pratique.transfer.messages import SealedGroup


def seal_of(command_octets: bytes, metadata: bytes) -> str:
    """SHA-256 over the MAIL and RCPT lines as sent, then the metadata; lower-case hex."""
    digest = hashlib.sha256(command_octets)
    digest.update(metadata)
    return digest.hexdigest()


def sealed_group(*, xid: str, envelope: Envelope, size: int, sha256: str, seq: int, metadata: bytes) -> SealedGroup:
    """The group as it will be sent, now and at every repeat."""
    commands = [_mail_line(xid, envelope, size, sha256, seq)]
    for recipient in envelope.recipients:
        line = f"RCPT TO:<{recipient.address}>"
        if recipient.notify:
            line += f" NOTIFY={recipient.notify}"
        if recipient.orcpt:
            line += f" ORCPT={recipient.orcpt}"
        commands.append(line)
    octets = ("\r\n".join(commands) + "\r\n").encode()
    if octets.count(b"\n") != len(commands) or octets.count(b"\r") != len(commands):
        raise ValueError("a line end inside the envelope")  # it would be read as a command of its own
    return SealedGroup(xid, octets, metadata, seal_of(octets, metadata), size)


def _mail_line(xid: str, envelope: Envelope, size: int, sha256: str, seq: int) -> str:
    line = f"MAIL FROM:<{envelope.sender}>"
    if envelope.eight_bit:
        line += " BODY=8BITMIME"
    if envelope.smtputf8:
        line += " SMTPUTF8"
    line += f" SIZE={size}"
    if envelope.ret:
        line += f" RET={envelope.ret}"
    if envelope.envid:
        line += f" ENVID={envelope.envid}"
    return f"{line} XQXID={xid} XQSHA256={sha256} XQSEQ={seq}"
