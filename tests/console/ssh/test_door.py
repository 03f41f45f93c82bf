"""Who gets in over SSH, and who does not: pass phrases, keys, codes, forwarding, floods."""

import asyncio
import random
import struct
from collections.abc import Callable

import asyncssh
import pyotp
import pytest

from pratique.console.access.roles import Person
from pratique.console.commands import credentials
from pratique.console.ssh.limits import CONNECTIONS_BURST, TRIES_MAX, WAITING_MAX
from tests.console.rest_world import PASSWORD
from tests.console.ssh.house import House

OPERATOR = Person("operator", "operator", "password")


# --- pass phrases
async def test_a_pass_phrase_lets_its_user_in_and_this_is_noted(house: House) -> None:
    out, err, status = await house.said("whoami", "operator")
    assert (err, status) == ("", 0)
    assert "User: operator\nRole: operator\nSigned in by: password\n" in out
    assert house.notes == [("sign-in", "operator", "127.0.0.1")]


@pytest.mark.parametrize(
    ("user", "password"), [("administrator", "wrong"), ("nobody", PASSWORD), ("administrator", "")]
)
async def test_what_is_wrong_is_refused_in_the_same_words_and_noted(house: House, user: str, password: str) -> None:
    with pytest.raises(asyncssh.PermissionDenied) as refused:
        await house.said("version", user, password=password)
    assert str(refused.value).startswith("Permission denied for user")
    assert house.notes == [("sign-in-failed", user, "127.0.0.1")]


async def test_a_disabled_user_does_not_get_in(house: House) -> None:
    await house.change("operator", disabled=True)
    with pytest.raises(asyncssh.PermissionDenied):
        await house.said("version", "operator")


class Guesser(asyncssh.SSHClient):
    """Tries one pass phrase after the other."""

    def __init__(self) -> None:
        self.tried = 0

    def password_auth_requested(self) -> str:
        self.tried += 1
        return f"guess {self.tried}"


async def test_a_connection_has_three_tries(house: House) -> None:
    guesser = Guesser()
    with pytest.raises((asyncssh.DisconnectError, asyncssh.ConnectionLost)):
        async with house.connect(password=None, client_factory=lambda: guesser):
            pass
    assert guesser.tried == TRIES_MAX


async def test_guesses_are_slowed_down_and_the_right_pass_phrase_waits_like_the_others(house: House) -> None:
    for _ in range(4):
        with pytest.raises(asyncssh.PermissionDenied):
            await house.said("version", password="wrong")
    checked = len(house.notes)
    assert 3 <= checked <= 4
    with pytest.raises(asyncssh.PermissionDenied):
        await house.said("version")
    assert len(house.notes) == checked, "a guess that came too early was checked"
    house.later(120)
    assert (await house.said("version"))[2] == 0


async def test_who_was_told_to_wait_hears_how_long(house: House) -> None:
    heard: list[str] = []

    class Listener(asyncssh.SSHClient):
        def auth_banner_received(self, msg: str, lang: str) -> None:
            heard.append(msg)

    for _ in range(5):
        with pytest.raises(asyncssh.PermissionDenied):
            async with house.connect(password="wrong", client_factory=Listener):
                pass
    assert heard and all(text.startswith("Too many failed sign-ins; try again in ") for text in heard)


# --- for as long as the connection lives
async def test_a_role_that_changes_holds_from_the_next_command_on(house: House) -> None:
    async with house.connect("operator") as connection:
        assert (await connection.run("grep x mail_logs")).exit_status == 1  # no log yet, but allowed to ask
        await house.change("operator", role="guest")
        done = await connection.run("grep x mail_logs")
        assert (done.exit_status, done.stderr) == (1, "grep: the role guest may not do this.\n")


@pytest.mark.parametrize("change", [{"disabled": True}, {"password": "$argon2id$other"}])
async def test_a_user_who_was_shut_out_does_nothing_more(house: House, change: dict[str, object]) -> None:
    async with house.connect("operator") as connection:
        await house.change("operator", **change)
        done = await connection.run("version")
        assert (done.stdout, done.stderr) == ("", "Your sign-in is no longer valid; sign in again.\n")
        assert done.exit_status == 1


# --- keys
async def test_a_key_lets_its_user_in_until_it_is_taken_away(house: House) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    other = asyncssh.generate_private_key("ssh-ed25519")
    line = key.export_public_key().decode()
    with pytest.raises(asyncssh.PermissionDenied):
        await _with_key(house, "operator", key)
    added = await credentials.add_key(house.desk, OPERATOR, line)
    assert "Signed in by: key" in await _with_key(house, "operator", key)
    for user, wrong in (("operator", other), ("administrator", key), ("nobody", key)):
        with pytest.raises(asyncssh.PermissionDenied):
            await _with_key(house, user, wrong)
    await credentials.drop_key(house.desk, OPERATOR, added.fingerprint)
    with pytest.raises(asyncssh.PermissionDenied):
        await _with_key(house, "operator", key)


async def test_a_disabled_users_key_is_of_no_use(house: House) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    await credentials.add_key(house.desk, OPERATOR, key.export_public_key().decode())
    assert await _with_key(house, "operator", key)
    await house.change("operator", disabled=True)
    with pytest.raises(asyncssh.PermissionDenied):
        await _with_key(house, "operator", key)


async def test_a_client_may_not_try_keys_without_end(house: House) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(30)]
    with pytest.raises((asyncssh.DisconnectError, asyncssh.ConnectionLost)):
        async with house.connect(password=None, client_keys=keys, preferred_auth="publickey"):
            pass


async def _with_key(house: House, user: str, key: asyncssh.SSHKey) -> str:
    out, _, _ = await house.said("whoami", user, password=None, client_keys=[key], preferred_auth="publickey")
    return out


# --- second factor
class Answering(asyncssh.SSHClient):
    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: list[tuple[str, bool]]
    ) -> list[str]:
        self.asked += [prompt for prompt, _ in prompts]
        assert not any(echo for _, echo in prompts)
        return [self.answers[prompt] for prompt, _ in prompts]


async def _by_keyboard(house: House, user: str, code: str, *, password: str = PASSWORD) -> tuple[str, list[str]]:
    clients: list[Answering] = []

    def client() -> Answering:
        clients.append(Answering({"Password: ": password, "Code: ": code}))
        return clients[-1]

    out, _, _ = await house.said(
        "whoami", user, password=None, client_factory=client, preferred_auth="keyboard-interactive"
    )
    return out, clients[0].asked


async def _enrol(house: House) -> Callable[[], str]:
    """A second factor for the operator; what its program shows now."""
    secret = (await credentials.begin_code(house.desk, OPERATOR)).secret
    program = pyotp.TOTP(secret)

    def shown() -> str:
        return program.at(house.rest.clock.now_ms() // 1_000)

    await credentials.confirm_code(house.desk, OPERATOR, secret, shown())
    return shown


async def test_without_a_second_factor_the_keyboard_asks_for_the_pass_phrase_only(house: House) -> None:
    out, asked = await _by_keyboard(house, "operator", "")
    assert "Signed in by: password\n" in out
    assert asked == ["Password: "]


async def test_a_second_factor_is_asked_for_behind_the_pass_phrase_and_good_once(house: House) -> None:
    shown = await _enrol(house)
    with pytest.raises(asyncssh.PermissionDenied):
        await _by_keyboard(house, "operator", shown())  # its code was used up by the enrolment
    house.later(60)
    code = shown()
    out, asked = await _by_keyboard(house, "operator", code)
    assert "Signed in by: password+code" in out
    assert asked == ["Password: ", "Code: "]
    with pytest.raises(asyncssh.PermissionDenied):
        await _by_keyboard(house, "operator", code)
    house.later(60)
    assert "password+code" in (await _by_keyboard(house, "operator", shown()))[0]


async def test_the_pass_phrase_alone_does_not_let_in_whoever_has_a_second_factor(house: House) -> None:
    shown = await _enrol(house)
    house.later(60)
    with pytest.raises(asyncssh.PermissionDenied):
        await house.said("version", "operator")
    with pytest.raises(asyncssh.PermissionDenied):
        await _by_keyboard(house, "operator", shown(), password="wrong")
    assert "password+code" in (await _by_keyboard(house, "operator", shown()))[0], "the code was not used up by that"


async def test_codes_cannot_be_guessed_by_giving_the_right_pass_phrase_before_each(house: House) -> None:
    shown = await _enrol(house)
    house.later(60)
    for _ in range(6):
        with pytest.raises(asyncssh.PermissionDenied):
            await _by_keyboard(house, "operator", "000000")
    with pytest.raises(asyncssh.PermissionDenied):
        await _by_keyboard(house, "operator", shown())
    assert len([note for note in house.notes if note[0] == "sign-in-failed"]) < 6, "guesses that came too early"


# --- nothing but sessions
async def test_no_forwarding_of_any_kind(house: House) -> None:
    async with house.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", house.server.port)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_unix_connection("/run/some.sock")
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.start_server(lambda *_: None, "127.0.0.1", 0)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.start_unix_server(lambda *_: None, "/tmp/pratique-test.sock")


async def test_no_sftp_no_scp_no_shell(house: House) -> None:
    async with house.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        for command in ("scp -f /etc/passwd", "sh -c id", "/bin/sh", "$(id)", "`id`"):
            done = await connection.run(command)
            assert (done.stdout, done.exit_status) == ("", 2)


async def test_a_connection_has_ten_sessions_at_once(house: House) -> None:
    async with house.connect() as connection:
        shells = [await connection.create_process(term_type="xterm") for _ in range(10)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(term_type="xterm")
        shells[0].close()
        await shells[0].wait_closed()
        assert (await connection.run("version")).exit_status == 0


# --- floods
async def test_too_many_that_wait_lose_the_oldest_and_the_next_operator_gets_in(house: House) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", house.server.port) for _ in range(WAITING_MAX)]
    for reader, _ in waiting:
        assert (await reader.readline()).startswith(b"SSH-2.0-Pratique")
    assert (await house.said("version"))[2] == 0
    await asyncio.wait_for(waiting[0][0].read(), 5)  # to its end
    assert waiting[0][0].at_eof() and not waiting[-1][0].at_eof()
    for _, writer in waiting:
        writer.close()


async def test_a_flood_from_many_addresses_does_not_keep_out_an_address_that_is_known(house: House) -> None:
    """The flood comes while the operator is signing in: between the connection and the pass phrase."""
    assert (await house.said("version", local_addr=("127.0.3.1", 0)))[2] == 0
    flood = []

    class Slow(asyncssh.SSHClient):
        async def password_auth_requested(self) -> str:
            for number in range(WAITING_MAX * 2):
                source = (f"127.0.4.{number}", 0)
                flood.append(await asyncio.open_connection("127.0.0.1", house.server.port, local_addr=source))
                await flood[-1][0].readline()
            return PASSWORD

    _, _, status = await house.said("version", password=None, client_factory=Slow, local_addr=("127.0.3.1", 0))
    assert status == 0
    with pytest.raises((asyncssh.ConnectionLost, OSError)):
        await house.said("version", password=None, client_factory=Slow, local_addr=("127.0.5.1", 0))
    for _, writer in flood:
        writer.close()


async def test_an_address_that_connects_too_fast_is_dropped_without_a_word(house: House) -> None:
    greetings = []
    for _ in range(CONNECTIONS_BURST + 2):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        try:
            greetings.append(await asyncio.wait_for(reader.readline(), 5))
        except ConnectionResetError:
            greetings.append(b"")
        writer.close()
    assert greetings[:CONNECTIONS_BURST] == [b"SSH-2.0-Pratique\r\n"] * CONNECTIONS_BURST
    assert greetings[CONNECTIONS_BURST:] == [b"", b""]


async def test_garbage_ends_its_own_connection_and_nothing_else(house: House) -> None:
    """Before the first key exchange anybody may send anything; the fixture asserts that no fault of ours came of it."""
    draw = random.Random(7)
    for number in range(120):
        if number % CONNECTIONS_BURST == 0:
            house.later(60)
        kind = draw.choice([1, 2, 5, 20, 21, 30, 50, 60, 80, 90, 100])
        payload = bytes([kind]) + draw.randbytes(draw.randrange(200))
        padding = 8 - (5 + len(payload)) % 8 + 8
        packet = struct.pack(">IB", len(payload) + 1 + padding, padding) + payload + bytes(padding)
        garbage = draw.choice(
            [
                draw.randbytes(2_000),
                b"A" * 100_000,
                b"SSH-2.0-x\r\n" + draw.randbytes(3_000),
                b"SSH-2.0-x\r\n" + b"\xff" * 400,
                b"SSH-2.0-x\r\n" + packet,
                b"SSH-2.0-x\r\n" + packet * 3,
            ]
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        try:
            writer.write(garbage)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
        except OSError:
            pass  # it was closed before it had read all
        writer.close()
    house.later(60)
    assert (await house.said("version"))[2] == 0


async def test_only_strong_algorithms_are_offered(house: House) -> None:
    with pytest.raises(asyncssh.KeyExchangeFailed):
        await house.said("version", kex_algs=["diffie-hellman-group14-sha1"])
    with pytest.raises(asyncssh.KeyExchangeFailed):
        await house.said("version", mac_algs=["hmac-sha1"], encryption_algs=["aes128-ctr"])
    with pytest.raises(asyncssh.KeyExchangeFailed):
        await house.said("version", server_host_key_algs=["ssh-rsa"])
    assert (await house.said("version", server_host_key_algs=["rsa-sha2-256"]))[2] == 0
