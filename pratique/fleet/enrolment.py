"""Enrolment: what one appliance must know of another before they exchange anything, as a small JSON file.

`pratique enroll DIR --show` prints ours; `pratique enroll DIR FILE` adds the peer of that file.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from pratique.fleet.identity import SERIAL_CHARS, common_name_of_pem, fingerprint_of_pem
from pratique.store.records import Peer

FORMAT = 1
_SERIAL = re.compile(rf"[0-9A-Za-z]{{{SERIAL_CHARS}}}\Z")
HOST = re.compile(r"[0-9A-Za-z._:-]{1,255}\Z")  # a name, or an address of either kind
_SSH_KEY = re.compile(r"(?:ssh-ed25519 [0-9A-Za-z+/]{68})?\Z")  # base64 of name, length and 32 octets
_SIGN_KEY = re.compile(r"(?:[0-9A-Za-z+/]{43}=)?\Z")  # base64 of 32 octets; a gateway has none
FILE_BYTES_MAX = 65_536  # an enrolment is about 1.5 KiB


TOKEN = "pratique-enrolment:"  # noqa: S105 - how the one word begins


class EnrolmentError(ValueError):
    """The file is no enrolment; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    name: str
    role: str
    serial: str
    host: str
    port: int
    certificate: str  # PEM
    fingerprint: str
    sign_key: str  # base64, "" for a gateway
    ssh_host: str = ""  # its command line, the key that it shows there, and the one with which it signs in elsewhere;
    ssh_port: int = 0  # a file of an older version, or of one without SSH, has none of them
    ssh_host_key: str = ""
    ssh_client_key: str = ""

    def to_json(self) -> str:
        fields = {"pratique_enrolment": FORMAT} | {n: getattr(self, n) for n in self.__slots__}
        return json.dumps(fields, indent=2) + "\n"

    def to_token(self) -> str:
        """The same in one word, to be pasted into a dialogue or sent as an argument."""
        fields = {"pratique_enrolment": FORMAT} | {n: getattr(self, n) for n in self.__slots__}
        return TOKEN + base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode()

    def as_peer(self) -> Peer:
        return Peer(
            serial=self.serial,
            role=self.role,
            name=self.name,
            host=self.host,
            port=self.port,
            certificate=self.certificate,
            fingerprint=self.fingerprint,
            sign_key=self.sign_key,
            ssh_host=self.ssh_host,
            ssh_port=self.ssh_port,
            ssh_host_key=self.ssh_host_key,
            ssh_client_key=self.ssh_client_key,
        )


def read_enrolment(text: str, *, own_role: str) -> Enrolment:
    """Checks every field; the fingerprint is computed anew, never believed. Raises EnrolmentError."""
    fields = _object(text)
    try:
        found = Enrolment(**{n: fields[n] for n in Enrolment.__slots__ if n in fields or not n.startswith("ssh_")})
    except KeyError as error:
        raise EnrolmentError(f"the enrolment lacks {error}; make it with `pratique enroll DIR --show`") from error
    ports = (found.port, found.ssh_port)
    texts = [getattr(found, n) for n in Enrolment.__slots__ if n not in ("port", "ssh_port")]
    if not all(isinstance(v, str) for v in texts) or any(type(port) is not int for port in ports):  # True is no port
        raise EnrolmentError("a field of the enrolment has the wrong type; make the file anew")
    if not (found.name.isprintable() and found.name and HOST.match(found.host)):
        raise EnrolmentError("name or host of the enrolment is not valid; make the file anew")
    wanted = "manager" if own_role == "gateway" else "gateway"
    if found.role != wanted:
        raise EnrolmentError(f"a {own_role} enrols {wanted}s; this file is of a {found.role}")
    if not _SERIAL.match(found.serial) or not 0 < found.port < 65536:
        raise EnrolmentError("serial or port of the enrolment is not valid; make the file anew")
    if bool(found.sign_key) != (wanted == "manager") or not _SIGN_KEY.match(found.sign_key):
        raise EnrolmentError("the release-signing key is missing or misplaced; make the file anew")
    _check_ssh(found)
    try:
        actual = fingerprint_of_pem(found.certificate)
    except ValueError as error:
        raise EnrolmentError(f"the certificate cannot be used: {error}") from error
    if actual != found.fingerprint:
        raise EnrolmentError("the fingerprint does not match the certificate: the file was changed on its way")
    if common_name_of_pem(found.certificate) != found.serial:
        raise EnrolmentError(
            f"the serial {found.serial} is not the one that its certificate was made for: the file was changed on its "
            "way; make it anew by `pratique enroll DIR --show`"
        )
    return found


def _check_ssh(found: Enrolment) -> None:
    keys = (found.ssh_host_key, found.ssh_client_key)
    if not all(_SSH_KEY.match(key) for key in keys):
        raise EnrolmentError("an SSH key of the enrolment is not an Ed25519 key; make the file anew")
    if not (0 <= found.ssh_port < 65536 and (not found.ssh_host or HOST.match(found.ssh_host))):
        raise EnrolmentError("the SSH address or port of the enrolment is not valid; make the file anew")
    if len({bool(found.ssh_host), bool(found.ssh_port), bool(found.ssh_host_key)}) != 1:
        raise EnrolmentError("address, port and host key of SSH go together; make the file anew")


def _object(text: str) -> dict[str, Any]:
    if len(text) > FILE_BYTES_MAX:
        raise EnrolmentError("the file is too large to be an enrolment")
    if text.strip().startswith(TOKEN):
        text = _untoken(text.strip().removeprefix(TOKEN))
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise EnrolmentError(f"not JSON: {error}; give the output of `pratique enroll DIR --show`") from error
    if not isinstance(fields, dict) or fields.get("pratique_enrolment") != FORMAT:
        raise EnrolmentError("not an enrolment of this version; give the output of `pratique enroll DIR --show`")
    return fields


def _untoken(text: str) -> str:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise EnrolmentError("the word is cut short or was changed; copy it whole") from error
