"""`pratique init`: what it makes, and that it makes all of it or nothing."""

import asyncio
from pathlib import Path

import pytest

from pratique.console.access.passwords import check_password
from pratique.fleet.identity import Keys
from pratique.front.files import BadConfiguration, read_options
from pratique.front.init import ADMINISTRATOR, InitRefused, Made, initial_options, initialise, set_password, takes_mail
from pratique.front.options import GatewayOptions, ManagerOptions
from pratique.front.stopped import opened
from pratique.store.records import User


def _init(directory: Path, role: str = "manager", **how: object) -> Made:
    return asyncio.run(initialise(role, directory, name=f"{role}.test", **how))  # type: ignore[arg-type]


def _user(directory: Path, name: str = ADMINISTRATOR) -> User:
    async def look() -> User | None:
        async with opened(directory, read_options(directory)) as store:
            return store.view.user(name)

    found = asyncio.run(look())
    assert found is not None
    return found


def _is_right(directory: Path, password: str) -> bool:
    return asyncio.run(check_password(_user(directory).password, password))


def test_a_manager_has_everything_it_needs_to_run(tmp_path: Path) -> None:
    made = _init(tmp_path / "sma")
    assert isinstance(made.options, ManagerOptions)
    assert made.options.appliance.role == "manager"
    assert made.options == read_options(tmp_path / "sma")
    keys = Keys(tmp_path / "sma" / "keys")
    for path in (keys.cpq_certificate, keys.cpq_key, keys.web_certificate, keys.web_key, keys.signing_key):
        assert path.is_file()
    assert (tmp_path / "sma").stat().st_mode & 0o777 == 0o700


def test_a_gateway_has_a_listener_and_no_signing_key(tmp_path: Path) -> None:
    made = _init(tmp_path / "gw", "gateway")
    assert isinstance(made.options, GatewayOptions)
    (listener,) = made.options.gateway.listeners
    assert (listener.name, listener.kind) == ("InboundMail", "public")
    assert not Keys(tmp_path / "gw" / "keys").signing_key.exists()


def test_serials_differ(tmp_path: Path) -> None:
    serials = {_init(tmp_path / str(n)).options.appliance.serial for n in range(3)}
    assert len(serials) == 3


@pytest.mark.parametrize(
    ("uid", "sshd", "ports"),
    [(0, None, (25, 443, 22)), (0, "/usr/sbin/sshd", (25, 443, 2222)), (1000, None, (2525, 8443, 2222))],
)
def test_ports_are_those_that_this_user_may_bind_and_never_that_of_the_machines_own_ssh_server(
    uid: int, sshd: str | None, ports: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("shutil.which", lambda name, path="": sshd)
    options = initial_options("gateway", "gw", "S" * 20)
    assert isinstance(options, GatewayOptions)
    assert (options.gateway.listeners[0].port, options.web.port, options.ssh.port) == ports


def test_a_pass_phrase_is_made_or_taken_and_kept_only_as_a_hash(tmp_path: Path) -> None:
    made = _init(tmp_path / "made")
    assert len(made.password) >= 12
    assert _is_right(tmp_path / "made", made.password)
    given = _init(tmp_path / "given", password="correct horse")
    assert given.password == "correct horse"
    kept = _user(tmp_path / "given")
    assert kept.password.startswith("$argon2id$") and kept.role == "administrator"
    for path in (tmp_path / "given").rglob("*"):
        if path.is_file():
            assert b"correct horse" not in path.read_bytes()


def test_a_pass_phrase_can_be_set_anew_and_brings_a_user_back(tmp_path: Path) -> None:
    made = _init(tmp_path / "x")
    asyncio.run(set_password(tmp_path / "x", made.options, ADMINISTRATOR, "another"))
    assert _is_right(tmp_path / "x", "another")
    assert not _is_right(tmp_path / "x", made.password)


def test_every_option_can_be_set(tmp_path: Path) -> None:
    overrides = {"cpq.port": "7777", "cpq.address": '"127.0.0.5"', "manager.rescan": "[]"}
    options = _init(tmp_path / "x", overrides=overrides).options
    assert isinstance(options, ManagerOptions)
    assert (options.cpq.port, options.cpq.address, options.manager.rescan) == (7777, "127.0.0.5", ())


def test_an_unknown_option_makes_nothing(tmp_path: Path) -> None:
    """And no file is cited that was never written."""
    with pytest.raises(InitRefused, match=r"^--set nonsense: is no option; ") as refused:
        _init(tmp_path / "x", overrides={"nonsense.x": "1"})
    assert str(tmp_path) not in str(refused.value)
    assert not (tmp_path / "x").exists()


def test_a_name_that_is_no_host_name_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InitRefused, match=r"^--name: is 'bad name!', which is no host name"):
        asyncio.run(initialise("gateway", tmp_path / "x", name="bad name!", password="x"))
    assert not (tmp_path / "x" / "pratique.toml").exists()


def test_a_file_that_is_named_may_come_after_init(tmp_path: Path) -> None:
    options = {"gateway.policy.filters_file": "my.filters", "gateway.virus.rules_files": '["my.yar"]'}
    made = _init(tmp_path / "x", "gateway", overrides=options).options
    assert isinstance(made, GatewayOptions)
    assert (made.gateway.policy.filters_file, made.gateway.virus.rules_files) == ("my.filters", ("my.yar",))
    with pytest.raises(BadConfiguration, match=r"my\.filters.*create the file"):
        read_options(tmp_path / "x")


@pytest.mark.parametrize(
    ("overrides", "takes"),
    [
        ({}, False),
        ({"gateway.listeners.0.recipients.0.match": "demo.example"}, True),
        ({"gateway.listeners.0.hosts.0.action": "RELAY"}, True),
        ({"gateway.listeners.0.kind": "private"}, True),
        ({"gateway.listeners.0.hosts.0.action": "REJECT"}, False),
    ],
)
def test_whether_somebody_may_write_here(tmp_path: Path, overrides: dict[str, str], takes: bool) -> None:
    assert takes_mail(_init(tmp_path / "x", "gateway", overrides=overrides).options) is takes


def test_a_bad_value_makes_nothing_and_the_next_try_succeeds(tmp_path: Path) -> None:
    with pytest.raises(InitRefused, match=r"^--set gateway.policy.filters: "):
        _init(tmp_path / "x", "gateway", overrides={"gateway.policy.filters": "broken: if"})
    assert not (tmp_path / "x" / "pratique.toml").exists()
    assert _init(tmp_path / "x", "gateway").user == ADMINISTRATOR


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    _init(tmp_path / "x")
    before = (tmp_path / "x" / "pratique.toml").read_bytes()
    with pytest.raises(InitRefused, match="exists already"):
        _init(tmp_path / "x")
    assert (tmp_path / "x" / "pratique.toml").read_bytes() == before


def test_there_are_two_roles(tmp_path: Path) -> None:
    with pytest.raises(InitRefused, match="no role"):
        _init(tmp_path / "x", "king")
