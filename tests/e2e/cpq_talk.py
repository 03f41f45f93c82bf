"""A client of the quarantine port over real TLS: the product's handshake, then exactly the octets a test wants."""

import hashlib
import ssl
import time
from pathlib import Path

from pratique.fleet.enrolment import Enrolment
from pratique.fleet.identity import Keys, create, fingerprint_of_pem
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid, make_xid
from pratique.net.tls import pinned_context
from pratique.transfer import events as cpq
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import Hello, HelloReply, SealedGroup
from pratique.transfer.metadata import Client, Metadata, Origin, PolicyRef, QuarantineRef, Trace, encode
from pratique.transfer.seal import sealed_group
from tests.e2e.talk import Talk
from tests.e2e.world import CPQ_PORT, Appliance

SERIAL = "FAKEGATEWAY000000001"


class FakeGateway:
    """A gateway that exists only as keys and an enrolment, for tests that speak for it."""

    def __init__(self, directory: Path, *, address: str, serial: str = SERIAL) -> None:
        self.serial = serial
        self.address = address
        self.keys: Keys = create(directory, name="fake.test", serial=serial, addresses=(), signing=False)
        self.nonce = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:32]
        self.seq = 0

    def enrolment(self) -> Enrolment:
        pem = self.keys.cpq_certificate.read_text()
        return Enrolment("fake.test", "gateway", self.serial, self.address, CPQ_PORT, pem, fingerprint_of_pem(pem), "")

    def connect(self, server: Appliance) -> "CpqTalk":
        return CpqTalk(self, server)

    def group(
        self,
        body: bytes,
        *,
        number: int = 1,
        recipients: int = 1,
        quarantine: str = "Policy",
        sha256: str = "",
        size: int = -1,
    ) -> SealedGroup:
        """One message group of hop 1; digest and size can be made to lie, with a seal that covers the lie."""
        self.seq += 1
        now = time.time_ns() // 1_000_000
        cid = make_cid(now, hashlib.sha256(f"{self.nonce}{number}".encode()).digest()[:10])
        xid = make_xid(cid, 1)
        return sealed_group(
            xid=xid,
            envelope=Envelope("a@partner.example", tuple(Recipient(f"r{n}@demo.example") for n in range(recipients))),
            size=len(body) if size < 0 else size,
            sha256=sha256 or hashlib.sha256(body).hexdigest(),
            seq=self.seq,
            metadata=self.metadata(xid, now, quarantine=quarantine),
        )

    def metadata(self, xid: str, now: int, *, quarantine: str = "Policy") -> bytes:
        return encode(
            Metadata(
                xid=xid,
                origin=Origin(
                    serial=self.serial, host="fake.test", ip="192.0.2.1", mid=7, icid=8, listener="In", at=now
                ),
                client=Client(
                    ip="192.0.2.1", port=2525, helo="client.example", rdns="unknown", rdns_ok=False, tls=None
                ),
                trace=(
                    Trace(
                        from_helo="client.example",
                        from_ip="192.0.2.1",
                        rdns="",
                        by="fake.test",
                        with_="ESMTP",
                        id="7",
                        at=now,
                    ),
                ),
                policy=PolicyRef(name="DEFAULT", table="inbound"),
                quarantines=(
                    QuarantineRef(
                        name=quarantine,
                        kind="policy",
                        reasons=("test",),
                        received=now,
                        exit=now + 86_400_000,
                        default="delete",
                    ),
                ),
            )
        )


def wire(group: SealedGroup, body: bytes, *, chunks: tuple[bytes, ...] | None = None) -> bytes:
    """The group as a client sends it; `chunks` replaces the BDAT commands."""
    meta = b"XQMETA 1 %d %b\r\n%b" % (len(group.metadata), group.seal.encode(), group.metadata)
    last = b"".join(chunks) if chunks is not None else b"BDAT %d LAST\r\n%b" % (len(body), body)
    return group.command_octets + meta + last


class CpqTalk(Talk):
    """After `hello()` what is sent and read is inside TLS."""

    def __init__(self, gateway: FakeGateway, server: Appliance) -> None:
        super().__init__(server.address, CPQ_PORT, source=gateway.address)
        self._gateway = gateway
        self._server = server
        self._core = ClientConnection(hostname="fake.test")

    def hello(self, *, nonce: str = "", serial: str = "", seq: int = -1) -> HelloReply:
        gateway = self._gateway
        self._until(cpq.TlsWanted)
        pem = (self._server.directory / "keys" / "cpq.crt").read_text()
        keys = gateway.keys
        context = pinned_context(str(keys.cpq_certificate), str(keys.cpq_key), pem, server_side=False)
        self.sock = context.wrap_socket(self.sock)
        self._core.tls_started()
        self._until(cpq.Secure)
        self._core.hello(
            Hello(
                serial=serial or gateway.serial,
                nonce=nonce or gateway.nonce,
                inc=1,
                seq=gateway.seq if seq < 0 else seq,
                peer_inc=0,
                peer_seq=0,
                at_ms=time.time_ns() // 1_000_000,
                endpoint=f"{gateway.address}:{CPQ_PORT}",
            )
        )
        answered = self._until(cpq.HelloAnswered)
        assert isinstance(answered, cpq.HelloAnswered)
        return answered.reply

    def _until(self, kind: type) -> cpq.ClientEvent:
        while True:
            if data := self._core.data_to_send():
                self.raw(data)
            event = self._core.next_event()
            if isinstance(event, kind):
                return event
            if isinstance(event, cpq.ClientEnded):
                raise AssertionError(f"the session ended: {event}")
            if event is None:
                try:
                    data = self.sock.recv(65536)
                except (ConnectionResetError, ssl.SSLError):
                    data = b""
                if data:
                    self._core.receive_data(data)
                else:
                    self._core.receive_eof()

    def verdict(self, count: int) -> str:
        """The `count`-th reply from here: MAIL, RCPT, XQMETA are answered before the verdict."""
        for _ in range(count - 1):
            reply = self.reply()
            assert reply, "the connection was closed"
        return self.reply()
