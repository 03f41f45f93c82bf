"""Back-off with an injected clock, tokens, and sign-ins that run at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pratique.console.access import signin as signin_module
from pratique.console.access import throttle as throttle_module
from pratique.console.access.passwords import check_password, hash_password
from pratique.console.access.roles import ROLES, Permission, Person, local_person, may, visible
from pratique.console.access.sessions import LIFE_SECONDS, Sessions
from pratique.console.access.signin import SignIn, SignInDelayed, SignInRefused
from pratique.console.access.throttle import ADDRESS_BURST, WAIT_SECONDS_MAX, Throttle
from pratique.store.records import User


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def seconds(self) -> int:
        return int(self.now)


# --- throttle -----------------------------------------------------------------------------------------------------
def test_an_accounts_guesses_wait_1_2_4_to_60_seconds() -> None:
    time = Time()
    throttle = Throttle(time)
    waits = []
    for number in range(10):
        throttle.charge("anna", f"192.0.2.{number}")
        waits.append(throttle.wait("anna", "198.51.100.1"))
        time.now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert throttle.wait("bert", "198.51.100.1") == 0


def test_a_success_forgets_failures_and_so_does_time() -> None:
    time = Time()
    throttle = Throttle(time)
    for _ in range(5):
        throttle.charge("anna", "192.0.2.1")
    assert throttle.wait("anna", "192.0.2.2") > 0
    throttle.succeeded("anna", "192.0.2.1")
    assert throttle.wait("anna", "192.0.2.2") == 0
    for _ in range(9):
        throttle.charge("bert", "192.0.2.3")
    time.now += 1_000
    throttle.charge("bert", "192.0.2.3")
    assert throttle.wait("bert", "192.0.2.4") == 0


def test_strangers_do_not_lock_the_owner_out() -> None:
    throttle = Throttle(Time())
    throttle.charge("anna", "192.0.2.1")
    throttle.succeeded("anna", "192.0.2.1")
    for number in range(50):
        throttle.charge("anna", f"203.0.113.{number}")
    assert throttle.wait("anna", "203.0.113.99") == WAIT_SECONDS_MAX
    assert throttle.wait("anna", "192.0.2.1") == 0
    for _ in range(4):
        throttle.charge("anna", "192.0.2.1")  # but a guesser at the owner's place waits as well
    assert throttle.wait("anna", "192.0.2.1") > 0


def test_an_address_has_a_bucket_that_fills_again() -> None:
    time = Time()
    throttle = Throttle(time)
    for number in range(int(ADDRESS_BURST)):
        assert throttle.wait(f"user{number}", "192.0.2.1") == 0
        throttle.charge(f"user{number}", "192.0.2.1")
    assert throttle.wait("another", "192.0.2.1") == 2
    assert throttle.wait("another", "192.0.2.2") == 0
    time.now += 2
    assert throttle.wait("another", "192.0.2.1") == 0


def test_ten_thousand_made_up_names_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle_module, "ENTRIES_MAX", 50)
    throttle = Throttle(Time())
    for number in range(500):
        throttle.charge(f"user{number}", f"192.0.2.{number}")
        throttle.succeeded(f"friend{number}", "192.0.2.1")
    assert max(len(throttle._accounts), len(throttle._addresses), len(throttle._seen)) <= 50


# --- tokens -------------------------------------------------------------------------------------------------------
def _sessions(time: Time, secret: bytes = b"s" * 32) -> Sessions:
    return Sessions(secret, now=time.seconds, random=lambda count: b"r" * count)


def test_a_token_lives_an_hour_and_only_for_its_secret() -> None:
    time = Time()
    token = _sessions(time).issue("anna", "hash")
    found = _sessions(time).read(token)
    assert found is not None
    assert (found.user, found.is_past_half(time.seconds())) == ("anna", False)
    assert _sessions(time).is_current(found, "hash")
    assert not _sessions(time).is_current(found, "another hash")
    assert _sessions(time, b"t" * 32).read(token) is None
    time.now += LIFE_SECONDS / 2 + 1
    assert found.is_past_half(time.seconds())
    time.now += LIFE_SECONDS / 2
    assert _sessions(time).read(token) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 1, "pwm": "x", "sid": "y", "exp": 2_000_000},
        {"sub": "a", "pwm": "x", "sid": "y"},
        {"sub": "a", "pwm": "x", "sid": "y", "exp": "2000000"},
        {},
    ],
)
def test_a_signed_token_of_another_shape_is_none_of_ours(claims: dict[str, Any]) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(b"s" * 32))
    assert _sessions(Time()).read(token) is None


# --- roles --------------------------------------------------------------------------------------------------------
def test_a_role_that_is_not_in_the_table_may_nothing_and_sees_what_it_was_given() -> None:
    stranger = Person("x", "boss", "password", ("Policy",))
    assert not any(may(stranger, permission) for permission in Permission)
    assert visible(stranger, ["Policy", "Virus"]) == ("Policy",)
    assert visible(local_person("root"), ["Policy", "Virus"]) == ("Policy", "Virus")
    assert "boss" not in ROLES


# --- sign-in at once ----------------------------------------------------------------------------------------------
@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every check of a pass phrase that is really made."""
    made: list[str] = []

    async def check(stored: str | None, password: str) -> bool:
        made.append(password)
        await asyncio.sleep(0)
        return stored is not None and password == stored

    monkeypatch.setattr(signin_module, "check_password", check)
    return made


def _sign_in(time: Time, find: Callable[[str], User | None] | None = None) -> SignIn:
    users = {"anna": User("anna", "operator", "right")}
    return SignIn(find or users.get, _sessions(time), monotonic=time, now=time.seconds, secret=b"k" * 32)


async def test_a_client_that_sends_basic_each_time_costs_one_check_in_half_a_minute(checks: list[str]) -> None:
    time = Time()
    signin = _sign_in(time)
    for _ in range(20):
        found = await signin.by_password("anna", "right", "192.0.2.1")
        assert (found.person.name, found.person.role) == ("anna", "operator")
    assert checks == ["right"]
    time.now += 31
    await signin.by_password("anna", "right", "192.0.2.1")
    assert len(checks) == 2


async def test_the_same_credential_at_once_is_checked_once(checks: list[str]) -> None:
    signin = _sign_in(Time())
    found = await asyncio.gather(*(signin.by_password("anna", "right", "192.0.2.1") for _ in range(30)))
    assert (len(found), checks) == (30, ["right"])
    wrong = await asyncio.gather(
        *(signin.by_password("anna", "wrong", "192.0.2.1") for _ in range(30)), return_exceptions=True
    )
    assert all(isinstance(outcome, SignInRefused) for outcome in wrong)
    assert checks == ["right", "wrong"]


async def test_many_guesses_at_once_are_not_checked_at_once(checks: list[str]) -> None:
    signin = _sign_in(Time())
    outcomes = await asyncio.gather(
        *(signin.by_password("anna", f"guess{n}", "192.0.2.1") for n in range(100)), return_exceptions=True
    )
    assert len(checks) == 3
    assert sum(isinstance(outcome, SignInDelayed) for outcome in outcomes) == 97


async def test_an_unknown_user_costs_a_check_as_well(checks: list[str]) -> None:
    signin = _sign_in(Time())
    with pytest.raises(SignInRefused):
        await signin.by_password("nobody", "right", "192.0.2.1")
    assert checks == ["right"]


async def test_argon2_says_yes_to_the_right_pass_phrase_only() -> None:
    stored = hash_password("grün")
    assert await check_password(stored, "grün")
    assert not await check_password(stored, "gruen")
    assert not await check_password(None, "grün")
    assert not await check_password("no hash", "grün")
    assert not await check_password(stored, "x" * 2_000)
    for bad in ("", "x" * 2_000):
        with pytest.raises(ValueError, match="octets"):
            hash_password(bad)


# --- several faces ------------------------------------------------------------------------------------------------
async def test_guesses_over_one_face_slow_down_the_other_and_each_notes_its_own(checks: list[str]) -> None:
    time, notes = Time(), []
    rest = _sign_in(time)
    ssh = rest.heard_by(lambda *said: notes.append(said))
    for number in range(3):
        with pytest.raises(SignInRefused):
            await ssh.by_password("anna", f"wrong {number}", "192.0.2.1")
    with pytest.raises(SignInDelayed):
        await rest.by_password("anna", "right", "192.0.2.1")
    assert notes == [("sign-in-failed", "anna", "192.0.2.1")] * 3 and len(checks) == 3
    with pytest.raises(SignInRefused):
        await rest.by_password("bert", "wrong", "192.0.2.2")
    assert len(notes) == 3


async def test_codes_wait_on_an_account_of_their_own_that_the_right_pass_phrase_does_not_forgive(
    checks: list[str],
) -> None:
    time = Time()
    signin = _sign_in(time)
    tried = 0

    async def wrong() -> bool:
        nonlocal tried
        tried += 1
        return False

    async def right() -> bool:
        return True

    for _ in range(10):
        await signin.by_password("anna", "right", "192.0.2.1")
        with pytest.raises((SignInRefused, SignInDelayed)):
            await signin.by_code("anna", "192.0.2.1", wrong)
    assert tried == 3
    time.now += WAIT_SECONDS_MAX
    await signin.by_code("anna", "192.0.2.1", right)


async def test_a_standing_person_follows_the_store_and_ends_with_another_pass_phrase() -> None:
    users = {"anna": User("anna", "operator", "right")}
    signin = _sign_in(Time(), users.get)
    standing = signin.standing("anna", "key", "")
    users["anna"] = User("anna", "guest", "right", ("Policy",))
    assert signin.still(standing) == Person("anna", "guest", "key", ("Policy",))
    for changed in (User("anna", "guest", "another"), User("anna", "guest", "right", disabled=True), None):
        users |= {"anna": changed} if changed else {}
        if changed is None:
            del users["anna"]
        with pytest.raises(SignInRefused):
            signin.still(standing)
    with pytest.raises(SignInRefused):
        signin.standing("nobody", "key", "")
