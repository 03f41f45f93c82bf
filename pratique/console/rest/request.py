"""One request of the REST API and its answer, apart from any web framework, and how a request is signed in."""

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignedIn, SignInDelayed, SignInRefused
from pratique.console.commands.desk import Desk
from pratique.console.remote.interface import CodeNeeded, Entry
from pratique.console.rest.errors import RestError, error_body
from pratique.console.rest.reading import Query, json_object
from pratique.console.rest.shapes import render

T = TypeVar("T")

CREDENTIAL_CHARS_MAX = 8_192
CHALLENGE = "www-authenticate"
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the whole of it, or its pieces."""

    status: int
    body: bytes | Iterator[bytes] | AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(slots=True)
class Call:
    """`headers` has lower-case names. `token` is set when a renewed one must go out with the answer."""

    method: str
    path: Mapping[str, str]
    query: Query
    headers: Mapping[str, str]
    address: str
    read_body: Callable[[], Awaitable[bytes]]
    desk: Desk
    signin: Entry
    token: str = ""

    async def body(self) -> dict[str, Any]:
        return json_object(await self.read_body())

    async def person(self) -> Person:
        """Who calls. Raises RestError 401, 429."""
        found = await self.person_if_any()
        if found is None:
            raise unauthorized()
        return found

    async def person_if_any(self) -> Person | None:
        """None when no credential was sent; a wrong one is an error all the same."""
        signed = await self._signed_in()
        if signed is None:
            return None
        self.token = signed.token or self.token
        return signed.person

    async def _signed_in(self) -> SignedIn | None:
        basic = self.headers.get("authorization", "")
        token = self.headers.get("jwttoken", "")
        if token:
            try:
                return await self.signin.by_token(token)
            except SignInRefused as error:
                if not basic:
                    raise unauthorized() from error
        if not basic:
            return None
        name, password = basic_credential(basic)
        try:
            return await refusals_told(self.signin.by_password(name, password, self.address))
        except CodeNeeded as error:
            raise RestError(
                401, "This user has a second factor: get a token from /login with a passcode, and send that."
            ) from error


def basic_credential(header: str) -> tuple[str, str]:
    """RFC 7617, in UTF-8. Raises RestError."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic" or len(text) > CREDENTIAL_CHARS_MAX:
        raise unauthorized()
    name, colon, password = from_base64(text.strip()).partition(":")
    if not colon:
        raise unauthorized()
    return name, password


def from_base64(text: str) -> str:
    """Raises RestError 401: it always carries a credential."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise unauthorized() from error


async def refusals_told(check: Awaitable[T]) -> T:
    """What a sign-in gives. Raises RestError 401, 429."""
    try:
        return await check
    except SignInRefused as error:
        raise unauthorized() from error
    except SignInDelayed as error:
        seconds = max(1, round(error.seconds))
        raise RestError(
            429, f"Too many failed sign-ins. Try again in {seconds} s.", {"retry-after": str(seconds)}
        ) from error


def unauthorized() -> RestError:
    """The challenge that a 401 needs (RFC 9110 §15.5.2) is added where the realm is known."""
    return RestError(401, "Sign-in needed, or the credentials are wrong.", {CHALLENGE: ""})


def answer(value: Any) -> Answer:
    return Answer(200, render(value))


def error_answer(error: RestError) -> Answer:
    return Answer(error.status, render(error_body(error.status, error.text)), error.headers)
