"""Ready-made copies, transfers, holds, peers and moves for tests of any room that talks to a store.

`Samples(store)` writes real bodies into the store's spool and takes real MIDs and numbers from it; every default can be
replaced by keyword. Nothing here asserts.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.store.interface import Store, Stored
from pratique.store.moves import Accept, Cancel, ExitHold, HelloFrom, PutPeer, PutQuarantine, Receive
from pratique.store.records import (
    AuditEntry,
    Extent,
    NewCopy,
    NewDelivery,
    NewHold,
    NewTransfer,
    Peer,
    Quarantine,
)

NOW = 1_795_490_000_000  # ms; the clock's first answer
DAY = 86_400_000
GATEWAY = "564DAAAA00000000GW01"
OTHER_GATEWAY = "564DAAAA00000000GW02"
MANAGER = "564DAAAA00000000MG07"
NONCE = "5c" * 16
SEAL = sha256(b"seal").hexdigest()
OTHER_SEAL = sha256(b"other seal").hexdigest()
MESSAGE = b"From: Alice <alice@example.org>\r\nSubject: Offer\r\n\r\nHello.\r\n"
ENVELOPE = Envelope("alice@example.org", (Recipient("bob@example.com"),))


class SampleClock:
    """Stands still until a test moves it; its randomness is a counter, different for each `salt`."""

    def __init__(self, now: int = NOW, salt: str = "") -> None:
        self.now = now
        self.salt = salt
        self._drawn = 0

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000

    def random(self, count: int) -> bytes:
        self._drawn += 1
        return sha256(f"{self.salt} {self._drawn}".encode()).digest()[:count]


def entry(action: str, mid: int = 0, cid: str = "", actor: str = "system", detail: str = "{}") -> AuditEntry:
    return AuditEntry(actor, action, mid, cid, detail)


def cid_of(number: int) -> str:
    return make_cid(NOW + number, number.to_bytes(10, "big"))


def delivery(rid: int = 0, address: str = "bob@example.com", **fields: Any) -> NewDelivery:
    base = NewDelivery(rid, address, address.rpartition("@")[2], NOW)
    return replace(base, **fields)


def hold(quarantine: str = "Policy", **fields: Any) -> NewHold:
    base = NewHold(quarantine, "policy", ('content filter "big"',), NOW, NOW + DAY, "delete")
    return replace(base, **fields)


def peer(serial: str = GATEWAY, role: str = "gateway", **fields: Any) -> Peer:
    name = f"{serial[-4:].lower()}.example.net"
    base = Peer(serial, role, name, "192.0.2.1", 7025, "-----BEGIN CERTIFICATE-----", "ab" * 32, "")
    return replace(base, **fields)


def quarantine(name: str = "Policy", **fields: Any) -> Quarantine:
    return replace(Quarantine(name, "policy", 864_000, "delete"), **fields)


class Samples:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.mids: set[int] = set()  # all that were given out, for snapshots
        self.hops: set[tuple[str, int]] = set()
        self._made = 0

    def body(self, octets: bytes | None = None) -> Stored:
        """A body in the spool; without `octets`, one that no other sample has."""
        self._made += 1
        writer = self.store.spool.writer()
        writer.write(octets if octets is not None else MESSAGE + b"%d\r\n" % self._made)
        return writer.finish()

    def copy(self, custody: str = "ACTIVE", *, body: Stored | None = None, **fields: Any) -> NewCopy:
        """A new copy; ACTIVE gets one delivery, HELD one hold, Q and X the transfer of hop 1, unless told."""
        mid = fields.pop("mid", None) or self.store.next_mid()
        cid = fields.pop("cid", None) or cid_of(mid)
        stored = body if body is not None else self.body()
        self.mids.add(mid)
        base = NewCopy(
            mid=mid,
            cid=cid,
            hop=1 if custody == "HELD" else 0,
            custody=custody,
            icid=7,
            at=NOW,
            envelope=ENVELOPE,
            extent=stored.extent,
            sha256=stored.sha256,
            subject="Offer",
            from_header="Alice <alice@example.org>",
            message_id=f"<{mid}@example.org>",
            origin_serial=GATEWAY,
            origin_host="gw01.example.net",
            origin_ip="192.0.2.1",
            origin_mid=mid,
        )
        match custody:
            case "ACTIVE":
                fields.setdefault("deliveries", (delivery(),))
            case "HELD":
                fields.setdefault("holds", (hold(),))
            case "Q" | "X" if "transfer" not in fields:
                fields["transfer"] = self.transfer(cid, 1, state=custody)
        return replace(base, **fields)

    def transfer(self, cid: str, hop: int, *, peer: str = "", state: str = "X", **fields: Any) -> NewTransfer:
        self.hops.add((cid, hop))
        base = NewTransfer(
            cid=cid,
            hop=hop,
            peer=peer or (MANAGER if hop % 2 else GATEWAY),
            seq=self.store.next_seq(),
            state=state,
            seal=sha256(f"{cid}.{hop} {peer}".encode()).hexdigest(),
            commands=f"MAIL FROM:<alice@example.org> XQXID={cid}.{hop}\r\n".encode(),
            metadata=b'{"v":1}',
        )
        return replace(base, **fields)

    def receive(self, copy: NewCopy, *, seq: int = 10, **fields: Any) -> Receive:
        """The group of `copy`, as its sender's present instance would send it."""
        serial = fields.pop("peer", GATEWAY if copy.hop % 2 else MANAGER)
        base = Receive(serial, NONCE, 1, copy.hop, SEAL, seq, copy, (entry("receive", copy.mid, copy.cid),))
        return replace(base, **fields)

    def cancel(self, cid: str, hop: int, **fields: Any) -> Cancel:
        serial = GATEWAY if hop % 2 else MANAGER
        return replace(Cancel(serial, NONCE, 1, cid, hop, SEAL, NOW), **fields)

    def exit_hold(self, mid: int, mark: str, *, quarantine: str = "Policy", **fields: Any) -> ExitHold:
        """A decision on the version that is stored now; a release brings a transfer of hop + 1."""
        copy = self.store.view.copy(mid)
        assert copy is not None
        if "transfer" not in fields:
            fields["transfer"] = self.transfer(copy.cid, copy.hop + 1) if mark == "RELEASED" else None
        action = "release" if mark == "RELEASED" else "delete"
        base = ExitHold(
            mid=mid,
            quarantine=quarantine,
            mark=mark,
            cause="manual",
            actor="carol",
            at=NOW,
            version=copy.version,
            transfer=None,
            audit=(entry(action, mid, copy.cid, "carol"),),
        )
        return replace(base, **fields)

    # --- whole steps ---------------------------------------------------------------------------------------------
    async def accepted(self, custody: str = "ACTIVE", **fields: Any) -> NewCopy:
        copy = self.copy(custody, **fields)
        await self.store.submit(Accept((copy,), (entry("accept", copy.mid, copy.cid),)))
        return copy

    async def enrolled(self, serial: str = GATEWAY, role: str = "gateway", **fields: Any) -> Peer:
        """A peer that has said hello with NONCE, incarnation 1 and no number yet."""
        await self.store.submit(PutPeer(peer(serial, role, **fields), (entry("enroll"),)))
        await self.store.submit(HelloFrom(serial, NONCE, 1, 0, "192.0.2.1:7025", NOW))
        found = self.store.view.peer(serial)
        assert found is not None
        return found

    async def opened(self, name: str = "Policy", **fields: Any) -> Quarantine:
        made = quarantine(name, **fields)
        await self.store.submit(PutQuarantine(made, (entry("quarantine"),)))
        return made


def nowhere(length: int = 10, offset: int = 0) -> Extent:
    """An extent of no spool, for tests that never read a body."""
    return Extent(999, offset, length)
