"""Codes of a second factor: six digits by time (TOTP, RFC 6238), each of them good once.

Pure: time and randomness are handed in, what must last is returned. The secret lies in the store beside the pass
phrases' hashes; unlike those it is of use to whoever reads it, so nothing prints it after the enrolment.
"""

import base64
import hmac
import json
from dataclasses import asdict, dataclass

import pyotp

SECRET_BYTES = 20  # RFC 4226 §4 R6
STEP_SECONDS = 30
STEPS_EITHER_WAY = 1  # a clock that is half a minute off, a code that was typed slowly: RFC 6238 §5.2
ISSUER = "Pratique"


@dataclass(frozen=True, slots=True)
class CodeSecret:
    """`used`: the step of the last code that was taken; no code of it or of an earlier one is taken again."""

    secret: str
    used: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def taken(self, code: str, now_s: int) -> "CodeSecret | None":
        """What to keep when `code` is good now; None when it is not."""
        typed = code.replace(" ", "")
        otp = pyotp.TOTP(self.secret, interval=STEP_SECONDS)
        found = None
        for step in range(now_s // STEP_SECONDS - STEPS_EITHER_WAY, now_s // STEP_SECONDS + STEPS_EITHER_WAY + 1):
            same = hmac.compare_digest(otp.generate_otp(step).encode(), typed.encode("utf-8", "surrogatepass"))
            if same and step > self.used:
                found = step
        return CodeSecret(self.secret, found) if found is not None else None

    def address(self, user: str, appliance: str) -> str:
        """The otpauth address that authenticator programs read."""
        return pyotp.TOTP(self.secret, interval=STEP_SECONDS).provisioning_uri(
            name=f"{user}@{appliance}", issuer_name=ISSUER
        )


def new_secret(random_octets: bytes) -> CodeSecret:
    return CodeSecret(base64.b32encode(random_octets).decode())


def read_secret(text: str) -> CodeSecret | None:
    """As `to_json` wrote it; "" is none."""
    return CodeSecret(**json.loads(text)) if text else None
