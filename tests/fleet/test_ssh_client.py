"""The command client against servers of the real library: one command's answer, and every way to fail by its name."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from pratique.console.ssh import limits
from pratique.fleet import ssh_client
from pratique.fleet.identity import Keys, create_client_key, create_host_keys, public_ssh_key
from pratique.fleet.ssh_client import CURES, ByKey, ByPassword, Kind, SshFault, Target

USER = "pratique"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Of both sides, to save time."""
    made = Keys(tmp_path_factory.mktemp("keys"))
    create_host_keys(made)
    create_client_key(made)
    return made


class Host(asyncssh.SSHServer):
    """Believes one key, or one pass phrase with a code."""

    def __init__(self, key: str = "", password: str = "", code: str = "") -> None:
        self._key, self._password, self._code = key, password, code
        self._rounds: list[str] = []

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return bool(self._key)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.export_public_key().decode().split()[:2] == self._key.split()

    def kbdint_auth_supported(self) -> bool:
        return bool(self._password)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self._rounds += responses
        wanted = [self._password, self._code][: 2 if self._code else 1]
        if self._rounds == wanted:
            return True
        return ("", "", "", [("Code: ", False)]) if self._rounds == wanted[:1] else False


async def echo(process: Any) -> None:
    """What the command was; how it ends is in it."""
    if process.command == "hang":
        await asyncio.Event().wait()
    if process.command == "flood":
        process.stdout.write("x" * 2_000)
    if process.command == "leave":
        process.channel.get_connection().abort()
        return
    process.stdout.write(f"did {process.command}\n")
    process.stderr.write("and said so\n")
    process.exit(3 if process.command == "fail" else 0)


@asynccontextmanager
async def serving(keys: Keys, host: Callable[[], Host], **options: Any) -> AsyncIterator[Target]:
    given: dict[str, Any] = {"server_host_keys": [str(keys.ssh_host_keys[0])], "process_factory": echo, "config": []}
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=host, **(given | options))
    try:
        yield Target("127.0.0.1", server.get_port(), USER, public_ssh_key(keys.ssh_host_keys[0]))
    finally:
        server.close()
        await server.wait_closed()


def by_key(keys: Keys) -> Callable[[], Host]:
    return lambda: Host(key=public_ssh_key(keys.ssh_client_key))


async def no_code() -> str:
    raise AssertionError("nobody asked for a code")


async def faulty(target: Target, keys: Keys, command: str = "ok", **limits: Any) -> SshFault:
    with pytest.raises(SshFault) as caught:
        await ssh_client.run(target, ByKey(keys.ssh_client_key), command, **limits)
    assert caught.value.cure == CURES[caught.value.kind]
    return caught.value


# --- what goes well
async def test_a_command_gives_both_streams_and_its_exit_status(keys: Keys) -> None:
    async with serving(keys, by_key(keys)) as target:
        said = await ssh_client.run(target, ByKey(keys.ssh_client_key), "fail")
    assert (said.out, said.err, said.status) == ("did fail\n", "and said so\n", 3)


async def test_several_commands_share_one_sign_in(keys: Keys) -> None:
    async with (
        serving(keys, by_key(keys)) as target,
        ssh_client.connected(target, ByKey(keys.ssh_client_key)) as line,
    ):
        assert [(await line.run(name)).out for name in ("one", "two")] == ["did one\n", "did two\n"]


async def test_a_pass_phrase_and_the_code_that_is_asked_for_behind_it(keys: Keys) -> None:
    async def code() -> str:
        return "123456"

    async with serving(keys, lambda: Host(password="right", code="123456")) as target:
        proof = ByPassword("right", code)
        assert (await ssh_client.run(target, proof, "x")).status == 0
    assert "right" not in repr(proof)


async def test_a_pass_phrase_alone_where_no_code_is_wanted(keys: Keys) -> None:
    async with serving(keys, lambda: Host(password="right")) as target:
        assert (await ssh_client.run(target, ByPassword("right", no_code), "x")).status == 0


async def test_the_key_of_a_first_contact_is_shown_and_nobody_signs_in(keys: Keys) -> None:
    asked: list[str] = []

    class Noting(Host):
        def begin_auth(self, username: str) -> bool:
            asked.append(username)
            return True

    async with serving(keys, Noting) as target:
        key = await ssh_client.host_key_of(target.address, target.port)
    assert (key, asked) == (target.host_key, [])
    assert ssh_client.fingerprint_of(key).startswith("SHA256:")


# --- what does not
async def test_another_host_key_is_refused_and_both_fingerprints_are_named(keys: Keys, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with serving(keys, by_key(keys)) as target:
        fault = await faulty(Target(target.address, target.port, USER, other), keys)
    assert fault.kind is Kind.HOST_KEY
    assert ssh_client.fingerprint_of(target.host_key) in fault.why and ssh_client.fingerprint_of(other) in fault.why
    assert fault.presented == target.host_key


@pytest.mark.parametrize("pin", ["", "ssh-ed25519 nonsense", "gibberish"])
async def test_without_a_pin_nothing_is_believed(keys: Keys, pin: str) -> None:
    async with serving(keys, by_key(keys)) as target:
        assert (await faulty(Target(target.address, target.port, USER, pin), keys)).kind is Kind.HOST_KEY


async def test_a_key_that_is_not_known_there(keys: Keys) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with serving(keys, lambda: Host(key=stranger)) as target:
        assert (await faulty(target, keys)).kind is Kind.REFUSED


@pytest.mark.parametrize(("password", "code"), [("wrong", "123456"), ("right", "000000"), ("", "")])
async def test_a_wrong_pass_phrase_or_code(keys: Keys, password: str, code: str) -> None:
    async def given() -> str:
        return code

    async with serving(keys, lambda: Host(password="right", code="123456")) as target:
        with pytest.raises(SshFault) as caught:
            await ssh_client.run(target, ByPassword(password, given), "x")
    assert caught.value.kind is Kind.REFUSED


@pytest.mark.parametrize(
    "hardened",
    [
        {"kex_algs": ["diffie-hellman-group14-sha256"]},
        {"encryption_algs": ["aes128-cbc"]},
        {"server_host_keys": "rsa"},
    ],
    ids=["key exchange", "cipher", "host key"],
)
async def test_no_algorithm_in_common(keys: Keys, hardened: dict[str, Any]) -> None:
    if "server_host_keys" in hardened:
        hardened = {"server_host_keys": [str(keys.ssh_host_keys[1])]}
    async with serving(keys, by_key(keys), **hardened) as target:
        assert (await faulty(target, keys)).kind is Kind.ALGORITHMS


async def test_nobody_listens(keys: Keys) -> None:
    async with serving(keys, by_key(keys)) as target:
        pass
    assert (await faulty(target, keys)).kind is Kind.UNREACHABLE


@asynccontextmanager
async def answering(first: bytes, *, close: bool) -> AsyncIterator[Target]:
    """Says `first` to whoever connects."""

    served: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.Event())
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            if not close:
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        served[-1].set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1], USER, "")
    finally:
        for done in served:
            await done.wait()
        server.close()
        await server.wait_closed()


async def test_a_mail_port_is_no_command_line(keys: Keys) -> None:
    async with answering(b"220 sma.example ESMTP\r\n" * 2_000, close=False) as target:
        assert (await faulty(target, keys)).kind is Kind.NOT_SSH


async def test_one_that_hangs_up_at_once(keys: Keys) -> None:
    async with answering(b"", close=True) as target:
        assert (await faulty(target, keys)).kind is Kind.CLOSED


async def test_one_that_says_nothing_is_given_up_on_time(keys: Keys) -> None:
    async with answering(b"", close=False) as target:
        assert (await faulty(target, keys, seconds=0.2)).kind is Kind.TIMEOUT


async def test_a_command_that_does_not_end(keys: Keys) -> None:
    async with serving(keys, by_key(keys)) as target:
        assert (await faulty(target, keys, "hang", seconds=1.0)).kind is Kind.TIMEOUT


async def test_a_command_that_says_too_much(keys: Keys) -> None:
    async with serving(keys, by_key(keys)) as target:
        assert (await faulty(target, keys, "flood", output_max=1_000)).kind is Kind.OUTPUT


async def test_one_that_leaves_in_the_middle(keys: Keys) -> None:
    async with serving(keys, by_key(keys)) as target:
        assert (await faulty(target, keys, "leave")).kind is Kind.CLOSED


async def test_one_that_runs_no_command(keys: Keys) -> None:
    async with serving(keys, by_key(keys), process_factory=None) as target:
        assert (await faulty(target, keys)).kind is Kind.COMMAND


async def test_our_own_key_is_gone(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(SshFault) as caught:
        await ssh_client.run(Target("127.0.0.1", 1, USER, ""), ByKey(tmp_path / "none"), "x")
    assert caught.value.kind is Kind.KEY_FILE


# --- promises
def test_every_kind_of_fault_has_a_cure() -> None:
    assert set(CURES) == set(Kind)


def test_our_client_offers_what_our_servers_like_best() -> None:
    assert limits.KEX[: len(ssh_client.KEX)] == ssh_client.KEX
    assert (ssh_client.CIPHERS, ssh_client.MACS) == (limits.CIPHERS, limits.MACS)


async def test_nothing_of_the_machine_is_looked_at(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known_hosts that has the key, a configuration that sends us elsewhere, an agent that does not answer."""
    home = tmp_path / ".ssh"
    home.mkdir()
    async with serving(keys, by_key(keys)) as target:
        (home / "known_hosts").write_text(f"[127.0.0.1]:{target.port} {target.host_key}\n")
        (home / "config").write_text("Host *\n  Port 1\n  User nobody\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert (await ssh_client.run(target, ByKey(keys.ssh_client_key), "x")).status == 0
        unknown = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        assert (await faulty(Target(target.address, target.port, USER, unknown), keys)).kind is Kind.HOST_KEY
    assert capsys.readouterr().err == ""
    assert logging.getLogger("asyncssh").propagate is False
