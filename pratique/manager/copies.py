"""The copy of a held message that an administrator sends elsewhere: its envelope, its metadata, itself.

It is a child with a cid of its own and goes by the way of a release to the gateway that caught the message. Its reverse
path is null and no notice is asked for: whoever wrote the held message hears nothing of it, whatever becomes of it.
"""

from dataclasses import replace

from pratique.mail.address import parse_path
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_xid
from pratique.store.records import Copy, NewCopy, NewTransfer
from pratique.transfer.metadata import of_child

RECIPIENTS_MAX = 50  # of one copy: people who look at a message, no mailing


class BadAddress(ValueError):
    """What was given is no address that mail can be sent to."""


def envelope_of(held: Envelope, addresses: tuple[str, ...]) -> Envelope:
    """Raises BadAddress."""
    if not 1 <= len(addresses) <= RECIPIENTS_MAX:
        raise BadAddress(f"a copy goes to 1 to {RECIPIENTS_MAX} addresses")
    recipients = tuple(Recipient(_checked(address), "NEVER") for address in dict.fromkeys(addresses))
    unusual = any(not recipient.address.isascii() for recipient in recipients)
    return Envelope("", recipients, eight_bit=held.eight_bit, smtputf8=held.smtputf8 or unusual)


def _checked(address: str) -> str:
    try:
        found = parse_path(f"<{address.strip()}>", utf8=True, null_allowed=False)
    except ValueError as error:
        raise BadAddress(f"{address[:100]!r} is no address: {error}") from error
    if "@" not in found:
        raise BadAddress(f"{address[:100]!r} is no address: it has no domain")
    return found


def child_of(held: Copy, *, mid: int, cid: str, envelope: Envelope, at: int) -> Copy:
    """As it will be stored. Raises MetadataError when its metadata would be refused."""
    context = of_child(held.context, xid=make_xid(cid, held.hop), parent=held.cid)
    return replace(held, mid=mid, cid=cid, custody="REL", parent=held.cid, envelope=envelope, at=at, context=context)


def as_new(child: Copy, transfer: NewTransfer) -> NewCopy:
    assert child.extent is not None, "a held message has its body"
    return NewCopy(
        mid=child.mid,
        cid=child.cid,
        hop=child.hop,
        custody=child.custody,
        icid=child.icid,
        at=child.at,
        envelope=child.envelope,
        extent=child.extent,
        sha256=child.sha256,
        subject=child.subject,
        from_header=child.from_header,
        message_id=child.message_id,
        parent=child.parent,
        origin_serial=child.origin_serial,
        origin_host=child.origin_host,
        origin_ip=child.origin_ip,
        origin_mid=child.origin_mid,
        context=child.context,
        attachments=child.attachments,
        transfer=transfer,
    )
