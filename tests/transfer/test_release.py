import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique.transfer.metadata import Certificate
from pratique.transfer.release import sign_release, verify_release
from tests.transfer.support import GW, xid

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
RAW = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
PUBLIC = base64.b64encode(RAW).decode()
DIGEST = "e3" * 32


def sign(reason: str = "ham", **other: str) -> Certificate:
    fields = {"xid": xid(1, 2), "sha256": DIGEST, "to": GW.serial, "actor": "anna", "role": "reviewer"}
    fields |= {"authn": "password", "session": "s1", "rule": "", "audit_head": "99" * 32} | other
    return sign_release(KEY, reason=reason, at=1795490000000, **fields)


def verify(cert: Certificate, public_key: str = PUBLIC) -> dict[str, object]:
    return verify_release(cert, public_key=public_key, xid=xid(1, 2), sha256=DIGEST, to=GW.serial)


def test_the_act_comes_back() -> None:
    cert = sign()
    fields = verify(cert)
    assert (fields["actor"], fields["reason"], fields["at"]) == ("anna", "ham", 1795490000000)
    assert cert.key == RAW.hex()


def test_long_texts_are_cut_and_still_fit_the_metadata() -> None:
    cert = sign(reason="\U0001f600" * 5000, actor='"' * 5000)
    assert verify(cert)["reason"] == "\U0001f600" * 256
    assert len(cert.signed) <= 4096


@pytest.mark.parametrize(("name", "value"), [("xid", xid(2, 2)), ("sha256", "00" * 32), ("to", "GATEWAY0000000000002")])
def test_it_is_good_for_one_transfer_body_and_gateway(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"another {name}"):
        verify(sign(**{name: value}))


def test_one_changed_octet_spoils_it() -> None:
    cert = sign()
    changed = msgspec.structs.replace(cert, signed=cert.signed.replace("anna", "anne"))
    for bad in (changed, msgspec.structs.replace(cert, sig="A" * 88), msgspec.structs.replace(cert, sig="?")):
        with pytest.raises(ValueError, match="signature is wrong"):
            verify(bad)


def test_another_key_is_refused_by_name() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    with pytest.raises(ValueError, match="not the enrolled one"):
        verify(sign(), base64.b64encode(other).decode())
    for none in ("", "?", base64.b64encode(b"short").decode()):
        with pytest.raises(ValueError, match="no release-signing key"):
            verify(sign(), none)


def test_signed_nonsense_is_still_nonsense() -> None:
    for signed in ("{}", "[]", '{"xid":1,"xid":1}'):
        sig = base64.b64encode(KEY.sign(signed.encode())).decode()
        with pytest.raises(ValueError):
            verify(Certificate(signed=signed, key=RAW.hex(), sig=sig))


def test_what_our_manager_signed_is_not_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pratique.transfer.release.read_object", lambda octets: pytest.fail("read slowly"))
    assert verify(sign())["actor"] == "anna"
