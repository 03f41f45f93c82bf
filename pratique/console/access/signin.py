"""Who is it? From a Basic credential or a token to a Person, or the reason why not.

Clients send Basic with each call (docs/rest.md); argon2 costs tens of milliseconds by design, so a check that
succeeded is remembered for some seconds, under a keyed hash: neither pass phrase nor a plain digest of it is kept.
An unknown user, a disabled one and a wrong pass phrase are told apart by nobody, neither by text nor by time.
"""

import asyncio
import copy
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from pratique.console.access.passwords import check_password
from pratique.console.access.roles import Person
from pratique.console.access.sessions import Sessions
from pratique.console.access.throttle import Throttle
from pratique.store.records import User

REMEMBER_SECONDS = 30.0  # a connector's page loop costs one check
REMEMBERED_MAX = 1_000
NAME_CHARS_MAX = 256

Note = Callable[[str, str, str], None]  # (what, user, address): for the audit


class SignInRefused(Exception):
    """Bad credentials; no more is said."""


class SignInDelayed(Exception):
    """Too many failures: try again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class SignedIn:
    person: Person
    token: str = ""  # a new or renewed one, to be handed to the client


@dataclass(frozen=True, slots=True)
class Standing:
    """Who signed in for as long as a connection lives; `mark` tells the pass phrase of that moment from later ones."""

    person: Person
    mark: str


class SignIn:
    """`find` looks a user up in the store; `note` hears of what belongs in the audit."""

    def __init__(
        self,
        find: Callable[[str], User | None],
        sessions: Sessions,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], int],
        secret: bytes,
        note: Note = lambda what, user, address: None,
    ) -> None:
        self._find = find
        self._sessions = sessions
        self._throttle = Throttle(monotonic)
        self._monotonic = monotonic
        self._now = now
        self._secret = secret
        self._note = note
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[bool]] = {}  # the same credential is checked once at a time

    async def by_password(self, name: str, password: str, address: str) -> SignedIn:
        """Raises SignInRefused, SignInDelayed."""
        account = name[:NAME_CHARS_MAX]
        found = self._find(name) if name == account and name else None
        user = found if found is not None and not found.disabled else None
        mark = self._mark(account, user, password)
        if user is None or not self._is_remembered(mark):
            await self._check(mark, account, user, password, address)
        if user is None:
            raise SignInRefused
        return SignedIn(_person(user, "password"))

    async def _check(self, mark: bytes, account: str, user: User | None, password: str, address: str) -> None:
        running = self._running.get(mark)
        if running is not None:
            if not await asyncio.shield(running):
                raise SignInRefused
            return
        if (seconds := self._throttle.wait(account, address)) > 0:
            raise SignInDelayed(seconds)
        self._throttle.charge(account, address)
        answer = self._running[mark] = asyncio.get_running_loop().create_future()
        right = False
        try:
            right = await check_password(user.password if user else None, password)
        finally:
            del self._running[mark]
            answer.set_result(right)
        if not right:
            self._note("sign-in-failed", account, address)
            raise SignInRefused
        self._throttle.succeeded(account, address)
        self._remember(mark)

    async def by_code(self, name: str, address: str, check: Callable[[], Awaitable[bool]]) -> None:
        """The second factor of somebody whose pass phrase was right. Its guesses wait on an account of their own: the
        right pass phrase before each would else forgive them. Raises SignInRefused, SignInDelayed."""
        account = f"{name[:NAME_CHARS_MAX]}\0code"
        if (seconds := self._throttle.wait(account, address)) > 0:
            raise SignInDelayed(seconds)
        self._throttle.charge(account, address)
        if not await check():
            self._note("sign-in-failed", name[:NAME_CHARS_MAX], address)
            raise SignInRefused
        self._throttle.succeeded(account, address)

    async def log_in(self, name: str, password: str, address: str) -> SignedIn:
        """As by_password, with a token for the calls to come."""
        found = await self.by_password(name, password, address)
        user = self._find(found.person.name)
        if user is None:
            raise SignInRefused
        self._note("sign-in", user.name, address)
        return SignedIn(found.person, self._sessions.issue(user.name, user.password))

    async def by_token(self, token: str) -> SignedIn:
        """A token past half its life comes back renewed. Raises SignInRefused."""
        session = self._sessions.read(token)
        user = self._find(session.user) if session is not None else None
        if session is None or user is None or user.disabled or not self._sessions.is_current(session, user.password):
            raise SignInRefused
        renewed = ""
        if session.is_past_half(self._now()):
            renewed = self._sessions.issue(user.name, user.password, number=session.number)
        return SignedIn(_person(user, "token", session.number), renewed)

    # --- for as long as a connection lives
    def standing(self, name: str, authn: str, session: str) -> Standing:
        """Somebody who has just been proved. Raises SignInRefused when there is no such user (any more)."""
        user = self._find(name)
        if user is None or user.disabled:
            raise SignInRefused
        return Standing(_person(user, authn, session), self._sessions.mark(user.password))

    def still(self, standing: Standing) -> Person:
        """The same person with the role and quarantines of now. Raises SignInRefused for a user who was disabled or
        taken away, or has another pass phrase since."""
        person = standing.person
        now = self.standing(person.name, person.authn, person.session)
        if not hmac.compare_digest(now.mark, standing.mark):
            raise SignInRefused
        return now.person

    def heard_by(self, note: Note) -> "SignIn":
        """The same for another face: guesses are counted together and noted by `note`."""
        twin = copy.copy(self)
        twin._note = note
        return twin

    # --- checks that succeeded a moment ago
    def _mark(self, account: str, user: User | None, password: str) -> bytes:
        """The stored hash is part of it, so a new pass phrase ends what is remembered."""
        text = "\0".join((account, user.password if user else "", password)).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, sha256).digest()

    def _is_remembered(self, mark: bytes) -> bool:
        return self._remembered.get(mark, 0.0) > self._monotonic()

    def _remember(self, mark: bytes) -> None:
        self._remembered.pop(mark, None)
        self._remembered[mark] = self._monotonic() + REMEMBER_SECONDS
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)


def _person(user: User, authn: str, session: str = "") -> Person:
    return Person(user.name, user.role, authn, user.quarantines, session)
