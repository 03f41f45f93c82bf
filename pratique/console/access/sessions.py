"""Sessions: signed tokens (JWT, HS256) that a client sends instead of its pass phrase (docs/rest.md, "Sign-in").

A token names the user and a fingerprint of the stored pass phrase, nothing else that counts: role and quarantines are
read from the store at each call, so a change takes effect at once, and a new pass phrase ends all sessions.
The algorithm is fixed: what a token's own header says of it is not believed (RFC 8725 §3.1).
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

LIFE_SECONDS = 3_600  # the contract asks for half an hour at least
TOKEN_CHARS_MAX = 4_096  # ours have about 300
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    user: str
    mark: str  # of the stored pass phrase
    number: str
    expires: int

    def is_past_half(self, now: int) -> bool:
        return self.expires - now < LIFE_SECONDS // 2


class Sessions:
    """`now` gives seconds since 1970, `random` octets."""

    def __init__(self, secret: bytes, *, now: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self._secret = secret
        self._key = OctKey.import_key(secret)
        self._now = now
        self._random = random

    def mark(self, stored_password: str) -> str:
        """Tells one pass phrase of a user from the next; of no use to somebody who reads it."""
        return hmac.new(self._secret, stored_password.encode(), sha256).hexdigest()[:16]

    def issue(self, user: str, stored_password: str, *, number: str = "") -> str:
        now = self._now()
        claims = {
            "sub": user,
            "pwm": self.mark(stored_password),
            "sid": number or self._random(8).hex(),
            "iat": now,
            "exp": now + LIFE_SECONDS,
        }
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._key, algorithms=["HS256"])

    def read(self, token: str) -> Session | None:
        """None when it is not one of ours or its time is over."""
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            return None
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
        except (JoseError, ValueError, TypeError, json.JSONDecodeError):
            return None
        user, mark, number, expires = (claims.get(name) for name in ("sub", "pwm", "sid", "exp"))
        if not (isinstance(user, str) and isinstance(mark, str) and isinstance(number, str)):
            return None
        if not isinstance(expires, int) or expires <= self._now():
            return None
        return Session(user, mark, number, expires)

    def is_current(self, session: Session, stored_password: str) -> bool:
        return hmac.compare_digest(session.mark, self.mark(stored_password))
