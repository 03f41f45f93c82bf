"""Rows to records and back. Knows columns; knows no states.

What only a reader of the whole copy needs lies in one msgpack tuple (`record`), so that a row is few columns to bind.
An envelope without options is told by the sender and recipients columns alone.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.records import (
    AuditRow,
    Copy,
    Delivery,
    Extent,
    Hold,
    JournalRow,
    NewCopy,
    NewHold,
    NewTransfer,
    Peer,
    Quarantine,
    Transfer,
    User,
)

Row = Sequence[Any]

COPY_COLUMNS = (
    "mid, cid, hop, custody, version, at, segment, offset, length, idle_since, sha256, sender, recipients, subject, "
    "origin_ip, attachments, sender_folded, recipients_folded, subject_folded, record, context"
)
HOLD_COLUMNS = (
    "mid, quarantine, mark, received, exit_at, kind, default_action, cause, actor, decided_at, reasons, matched, "
    "outbreak"
)
DELIVERY_COLUMNS = "mid, rid, state, next_at, attempts, delayed, address, host, notify, orcpt, reply"
TRANSFER_COLUMNS = "cid, hop, mid, peer, seq, state, attempts, ack_inc, ack_seq, error, seal, commands, metadata"
JOURNAL_COLUMNS = "cid, hop, seq, state, seal, peer, at, mid, pairs"
PEER_COLUMNS = (
    "serial, role, name, host, port, certificate, fingerprint, sign_key, nonce, inc, seq, endpoint, journal_in, "
    "journal_out, watermark, confirmed, locked, withdrawn, knows_inc, knows_seq, set_back_here, set_back_there, "
    "lost_inc, lost_seq, testified, newer, ssh_host, ssh_port, ssh_host_key, ssh_client_key, label, service_off"
)
QUARANTINE_COLUMNS = "name, kind, retention_s, default_action, overflow, created_by, created_at, suspended"
USER_COLUMNS = "name, role, password, quarantines, created_at, disabled"
AUDIT_COLUMNS = "number, at, actor, action, mid, cid, detail, hash"

# eight_bit, smtputf8, ret, envid, recipients with their options; None = a plain envelope
_Options = tuple[bool, bool, str, str, tuple[tuple[str, str, str], ...]]
# icid, from_header, message_id, parent, origin_serial, origin_host, origin_mid, options of the envelope
_Rest = tuple[int, str, str, str, str, str, int, _Options | None]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rest).decode
_json = msgspec.json.Encoder().encode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode


def select(columns: str, source: str) -> str:
    """The head of a query; every part comes from our own source, values are bound."""
    return " ".join(("SELECT", columns, "FROM", source, ""))


def fold(text: str) -> str | None:
    """The text for a search that ignores case, or None when LIKE's own ASCII folding will do."""
    return None if text.isascii() else text.casefold()


def _options(envelope: Envelope, joined: str) -> _Options | None:
    plain = not (envelope.eight_bit or envelope.smtputf8 or envelope.ret or envelope.envid)
    recipients = envelope.recipients
    if plain and joined and joined.count("\n") == len(recipients) - 1:
        for recipient in recipients:
            if recipient.notify or recipient.orcpt:
                break
        else:
            return None
    return (
        envelope.eight_bit,
        envelope.smtputf8,
        envelope.ret,
        envelope.envid,
        tuple((r.address, r.notify, r.orcpt) for r in recipients),
    )


def copy_row(copy: NewCopy, version: int = 1) -> Row:
    envelope = copy.envelope
    extent = copy.extent
    recipients = envelope.recipients
    joined = recipients[0].address if len(recipients) == 1 else "\n".join([r.address for r in recipients])
    rest: _Rest = (
        copy.icid,
        copy.from_header,
        copy.message_id,
        copy.parent,
        copy.origin_serial,
        copy.origin_host,
        copy.origin_mid,
        _options(envelope, joined),
    )
    return (
        copy.mid,
        bytes.fromhex(copy.cid),
        copy.hop,
        copy.custody,
        version,
        copy.at,
        extent.segment,
        extent.offset,
        extent.length,
        -1 if copy.custody == "SETTLED" else None,
        bytes.fromhex(copy.sha256),
        envelope.sender,
        joined,
        copy.subject,
        copy.origin_ip,
        None if copy.attachments == "[]" else copy.attachments,
        fold(envelope.sender),
        fold(joined),
        fold(copy.subject),
        _encode(rest),
        copy.context,
    )


def copy_of(row: Row) -> Copy:
    rest = _decode(row[19])
    options = rest[7]
    if options is None:
        envelope = Envelope(row[11], tuple(Recipient(address) for address in row[12].split("\n")))
    else:
        eight_bit, smtputf8, ret, envid, recipients = options
        envelope = Envelope(row[11], tuple(Recipient(*r) for r in recipients), eight_bit, smtputf8, ret, envid)
    return Copy(
        mid=row[0],
        cid=row[1].hex(),
        hop=row[2],
        custody=row[3],
        icid=rest[0],
        at=row[5],
        envelope=envelope,
        extent=None if row[6] is None else Extent(row[6], row[7], row[8]),
        size=row[8],
        sha256=row[10].hex(),
        subject=row[13],
        from_header=rest[1],
        message_id=rest[2],
        parent=rest[3],
        origin_serial=rest[4],
        origin_host=rest[5],
        origin_ip=row[14],
        origin_mid=rest[6],
        context=row[20],
        attachments=row[15] or "[]",
        version=row[4],
    )


def hold_row(mid: int, hold: NewHold) -> Row:
    return (
        mid,
        hold.quarantine,
        "HELD",
        hold.received,
        hold.exit_at,
        hold.kind,
        hold.default_action,
        "",
        "",
        0,
        _json(hold.reasons).decode(),
        hold.matched,
        hold.outbreak,
    )


def hold_of(row: Row) -> Hold:
    return Hold(
        mid=row[0],
        quarantine=row[1],
        kind=row[5],
        mark=row[2],
        reasons=_texts(row[10]),
        matched=row[11],
        received=row[3],
        exit_at=row[4],
        default_action=row[6],
        cause=row[7],
        actor=row[8],
        decided_at=row[9],
        outbreak=row[12],
    )


def delivery_of(row: Row) -> Delivery:
    return Delivery(
        mid=row[0],
        rid=row[1],
        address=row[6],
        host=row[7],
        notify=row[8],
        orcpt=row[9],
        state=row[2],
        attempts=row[4],
        next_at=row[3],
        reply=row[10],
        delayed=bool(row[5]),
    )


def transfer_row(mid: int, transfer: NewTransfer) -> Row:
    return (
        bytes.fromhex(transfer.cid),
        transfer.hop,
        mid,
        transfer.peer,
        transfer.seq,
        transfer.state,
        0,
        0,
        0,
        "",
        transfer.seal,
        transfer.commands,
        transfer.metadata,
    )


def transfer_of(row: Row, size: int) -> Transfer:
    return Transfer(
        cid=row[0].hex(),
        hop=row[1],
        mid=row[2],
        peer=row[3],
        seq=row[4],
        state=row[5],
        seal=row[10],
        commands=row[11],
        metadata=row[12],
        size=size,
        attempts=row[6],
        error=row[9],
        ack_inc=row[7],
        ack_seq=row[8],
    )


def journal_of(row: Row) -> JournalRow:
    return JournalRow(
        cid=row[0].hex(),
        hop=row[1],
        seq=row[2],
        state=row[3],
        seal=row[4],
        peer=row[5],
        at=row[6],
        pairs=row[8],
    )


def peer_row(peer: Peer) -> Row:
    return (
        peer.serial,
        peer.role,
        peer.name,
        peer.host,
        peer.port,
        peer.certificate,
        peer.fingerprint,
        peer.sign_key,
        peer.nonce,
        peer.inc,
        peer.seq,
        peer.endpoint,
        peer.journal_in,
        peer.journal_out,
        peer.watermark,
        peer.confirmed,
        peer.locked,
        peer.withdrawn,
        peer.knows_inc,
        peer.knows_seq,
        peer.set_back_here,
        peer.set_back_there,
        peer.lost_inc,
        peer.lost_seq,
        peer.testified,
        peer.newer,
        peer.ssh_host,
        peer.ssh_port,
        peer.ssh_host_key,
        peer.ssh_client_key,
        peer.label,
        peer.service_off,
    )


def peer_of(row: Row) -> Peer:
    values: Any = (*row[:17], bool(row[17]), *row[18:20], bool(row[20]), bool(row[21]), *row[22:24])
    return Peer(*values, bool(row[24]), bool(row[25]), *row[26:31], bool(row[31]))  # type: ignore[call-arg]


def quarantine_row(quarantine: Quarantine) -> Row:
    return (
        quarantine.name,
        quarantine.kind,
        quarantine.retention_s,
        quarantine.default_action,
        quarantine.overflow,
        quarantine.created_by,
        quarantine.created_at,
        quarantine.suspended,
    )


def quarantine_of(row: Row) -> Quarantine:
    return Quarantine(*(*row[:7], bool(row[7])))


def user_row(user: User) -> Row:
    return (user.name, user.role, user.password, _json(user.quarantines).decode(), user.created_at, user.disabled)


def user_of(row: Row) -> User:
    return User(row[0], row[1], row[2], _texts(row[3]), row[4], bool(row[5]))


def audit_of(row: Row) -> AuditRow:
    return AuditRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7].hex())


def origin_serial_of(record: bytes) -> str:
    """Who answered 250 for a copy, from its `record` column."""
    rest: _Rest = _decode(record)
    return rest[4]
