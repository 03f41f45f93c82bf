"""Moves of the small facts: peers, quarantines, users, settings, and audit rows that belong to no other move."""

from pratique.store.moves import DropQuarantine, PutPeer, PutQuarantine, PutSetting, PutUser, Record, RenewPeer
from pratique.store.sqlite.codec import (
    PEER_COLUMNS,
    QUARANTINE_COLUMNS,
    USER_COLUMNS,
    peer_row,
    quarantine_row,
    user_row,
)
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Into, Tx, require

# What was learnt by exchange is not the administrator's to set back: whoever read the peer, changed a lock and wrote it
# again must not undo a hello or a number that was committed in between. Numbers only rise; an instance is replaced by
# HelloFrom alone.
_PEER = Into(
    "peer",
    PEER_COLUMNS,
    " ON CONFLICT (serial) DO UPDATE SET role = excluded.role, name = excluded.name, host = excluded.host, "
    "port = excluded.port, certificate = excluded.certificate, fingerprint = excluded.fingerprint, "
    "sign_key = excluded.sign_key, locked = excluded.locked, withdrawn = excluded.withdrawn, "
    "ssh_host = excluded.ssh_host, ssh_port = excluded.ssh_port, ssh_host_key = excluded.ssh_host_key, "
    "ssh_client_key = excluded.ssh_client_key, label = excluded.label, service_off = excluded.service_off, "
    "nonce = iif(nonce = '', excluded.nonce, nonce), "
    "endpoint = iif(endpoint = '', excluded.endpoint, endpoint), inc = max(inc, excluded.inc), "
    "seq = iif((excluded.inc, excluded.seq) > (inc, seq), excluded.seq, seq), "
    "knows_inc = max(knows_inc, excluded.knows_inc), "
    "knows_seq = iif((excluded.knows_inc, excluded.knows_seq) > (knows_inc, knows_seq), "
    "excluded.knows_seq, knows_seq), "
    "journal_in = max(journal_in, excluded.journal_in), "
    "journal_out = max(journal_out, excluded.journal_out), watermark = max(watermark, excluded.watermark), "
    "confirmed = max(confirmed, excluded.confirmed)",
)
_QUARANTINE = Into("quarantine", QUARANTINE_COLUMNS, or_replace=True)
_USER = Into("user", USER_COLUMNS, or_replace=True)


def put_peer(tx: Tx, item: Item[PutPeer]) -> None:
    _PEER.put(tx.db, [peer_row(item.move.peer)])
    tx.audits += item.move.audit


def renew_peer(tx: Tx, item: Item[RenewPeer]) -> None:
    move = item.move
    changed = tx.run(
        "UPDATE peer SET certificate = ?, fingerprint = ? WHERE serial = ? AND fingerprint = ? AND NOT withdrawn",
        move.certificate,
        move.fingerprint,
        move.serial,
        move.before,
    )
    require(changed == 1, f"appliance {move.serial} is not enrolled with the certificate that is renewed")
    tx.audits += move.audit


def put_quarantine(tx: Tx, item: Item[PutQuarantine]) -> None:
    _QUARANTINE.put(tx.db, [quarantine_row(item.move.quarantine)])
    tx.audits += item.move.audit


def drop_quarantine(tx: Tx, item: Item[DropQuarantine]) -> None:
    name = item.move.name
    held = tx.row("SELECT 1 FROM hold WHERE quarantine = ? AND mark = 'HELD' LIMIT 1", name)
    require(held is None, f'the quarantine "{name}" holds messages')
    require(tx.run("DELETE FROM quarantine WHERE name = ?", name) == 1, f'there is no quarantine "{name}"')
    tx.audits += item.move.audit


def put_user(tx: Tx, item: Item[PutUser]) -> None:
    _USER.put(tx.db, [user_row(item.move.user)])
    tx.audits += item.move.audit


def put_setting(tx: Tx, item: Item[PutSetting]) -> None:
    tx.run("REPLACE INTO setting (key, value) VALUES (?, ?)", item.move.key, item.move.value)
    tx.audits += item.move.audit


def record(tx: Tx, item: Item[Record]) -> None:
    tx.audits += item.move.audit
