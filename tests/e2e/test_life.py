"""An appliance from `pratique init` to a clean end: what a person types, what it prints, how it exits."""

import json
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.world import CPQ_PORT, SMTP_PORT, SSH_PORT, WEB_PORT, Appliance, World, message, until


def test_the_commands_of_a_new_user_lead_to_a_held_message(world: World, tmp_path: Path) -> None:
    """init, enroll --show, enroll FILE, run: as the contract says, by the command line alone."""
    places = {
        "manager": (world.base / "sma", f"{world.network}.1"),
        "gateway": (world.base / "gw", f"{world.network}.2"),
    }
    password = tmp_path / "password"
    password.write_text("correct horse battery\n")
    for role, (directory, address) in places.items():
        options = [f'cpq.address="{address}"', f'web.address="{address}"', f"web.port={WEB_PORT}"]
        options += [f'ssh.address="{address}"', f"ssh.port={SSH_PORT}"]
        if role == "gateway":
            options += [
                f'gateway.listeners.0.address="{address}"',
                f"gateway.listeners.0.port={SMTP_PORT}",
                "gateway.listeners.0.recipients.0.match=ALL",
                'gateway.policy.filters=all: if (true) { quarantine("Policy"); }',
            ]
        sets = [word for option in options for word in ("--set", option)]
        made = world.run(
            "init", role, str(directory), "--name", f"{role}.test", "--admin-password-file", str(password), *sets
        )
        assert made.returncode == 0, made.stderr
        assert re.search(rf"{role}\.test \({role}, serial [0-9A-Z]{{20}}\) is ready", made.stdout)
        assert "correct horse" not in made.stdout
        assert world.run("check-config", str(directory)).returncode == 0
    manager, gateway = (Appliance(f"{role}.test", role, place[1], place[0]) for role, place in places.items())
    world.appliances += [manager, gateway]
    for here, there in ((manager, gateway), (gateway, manager)):
        shown = world.run("enroll", str(there.directory), "--show")
        paper = json.loads(shown.stdout)
        wanted = {"name", "role", "serial", "host", "port", "certificate", "fingerprint", "sign_key"}
        assert wanted <= paper.keys()
        assert (paper["host"], paper["port"], paper["role"]) == (there.address, CPQ_PORT, there.role)
        file = tmp_path / "enrolment.json"
        file.write_text(shown.stdout)
        done = world.run("enroll", str(here.directory), str(file))
        assert done.returncode == 0, done.stderr
        assert there.name in done.stdout

    world.start()
    assert gateway.output().count("\n") == 1  # one line when ready
    at = gateway.address
    assert gateway.output() == (
        f"gateway.test ready (gateway): smtp {at}:{SMTP_PORT}, quarantine port {at}:{CPQ_PORT}, "
        f"REST https://{at}:{WEB_PORT}, ssh {at}:{SSH_PORT}\n"
    )
    gateway.send("a@partner.example", ["b@demo.example"], message("first"))
    assert until(manager.held)[0]["attributes"]["subject"] == "first"


def test_init_makes_and_prints_a_pass_phrase_once_and_overwrites_nothing(world: World) -> None:
    directory = world.base / "new"
    made = world.run("init", "manager", str(directory))
    assert made.returncode == 0, made.stderr
    assert re.search(r"administrator: admin +pass phrase: \S{12,}", made.stdout)
    before = {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    again = world.run("init", "manager", str(directory))
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists already" in again.stderr
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    for name in ("cpq.key", "web.key", "release-signing.key"):
        assert (directory / "keys" / name).stat().st_mode & 0o777 == 0o600


def test_sigterm_ends_it_cleanly(world: World) -> None:
    world.pair()
    world.start()
    gateway, manager = world.gateway, world.manager
    with gateway.talk() as idle, gateway.talk() as busy:
        idle.greeted()
        busy.greeted()
        busy.say("MAIL FROM:<a@partner.example>")
        gateway.signal(signal.SIGTERM)
        assert idle.reply().startswith("421 ")
        assert busy.reply().startswith("421 ")
        assert idle.ended() and busy.ended()
    assert gateway.process and gateway.process.wait(15) == 0
    assert manager.stop() == 0
    for appliance in (gateway, manager):
        assert appliance.errors() == ""
        assert appliance.output().count("\n") == 1
        log = (appliance.directory / "log" / "mail.current").read_bytes()
        assert log.endswith(b"\n") and b"\n\n" not in log
        for line in log.decode().splitlines():
            assert re.match(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4} (Critical|Warning|Info|Debug|Trace): .", line), line


def test_sigterm_while_mail_flows_answers_what_it_owes(world: World) -> None:
    world.pair()
    world.start()
    with world.gateway.talk() as talk:
        talk.greeted()
        answers = [talk.message("a@partner.example", [f"r{n}@demo.example"], message("x")) for n in range(20)]
        talk.raw(b"MAIL FROM:<a@partner.example>\r\nRCPT TO:<last@demo.example>\r\nDATA\r\n")
        world.gateway.signal(signal.SIGTERM)
        replies = []
        while reply := talk.reply():
            replies.append(reply)
    assert all(a.startswith("250") for a in answers)
    assert replies[-1].startswith("421 ")
    assert world.gateway.process and world.gateway.process.wait(15) == 0
    world.gateway.start()
    until(lambda: len(world.manager.held()) == 20)


def test_sighup_reopens_the_logs(shared: World) -> None:
    folder = shared.gateway.directory / "log"
    current = folder / "mail.current"
    shared.gateway.logged("Begin Logfile")
    current.rename(folder / "mail.moved")  # as logrotate does
    shared.gateway.signal(signal.SIGHUP)
    lines = until(lambda: current.read_text().splitlines() if current.exists() else [])
    assert "Info: Begin Logfile" in lines[0]
    until(lambda: "Info: reloaded: logs" in current.read_text())
    assert shared.gateway.send("a@partner.example", ["b@demo.example"], message("after")).startswith("250")
    assert shared.gateway.logged("From: <a@partner.example>")
    assert shared.gateway.runs


def test_sighup_takes_new_filters_and_a_bad_file_changes_nothing(world: World) -> None:
    world.pair()
    world.start()
    gateway = world.gateway
    path = gateway.directory / "pratique.toml"
    good = path.read_text()
    assert gateway.send("a@partner.example", ["one@demo.example"], message("one")).startswith("250")
    until(lambda: len(world.manager.held()) == 1)
    path.write_text(good.replace("if (true)", "if (tru)"))
    gateway.signal(signal.SIGHUP)
    gateway.logged(rf"Warning: not reloaded: {re.escape(str(path))}:\d+")
    assert gateway.send("a@partner.example", ["two@demo.example"], message("two")).startswith("250")
    until(lambda: len(world.manager.held()) == 2)
    path.write_text(good.replace("if (true)", "if (false)"))
    gateway.signal(signal.SIGHUP)
    gateway.logged("Info: reloaded: ")
    assert gateway.send("a@partner.example", ["three@demo.example"], message("three")).startswith("250")
    until(lambda: world.hop.recipients()["three@demo.example"])


def _spoil(path: Path, section: str, key: str, value: str) -> int:
    """Set an option in the file, whether it stands there or not; the number of its line."""
    lines = path.read_text().splitlines()
    start = lines.index(f"[{section}]") + 1
    ends = [n for n in range(start, len(lines)) if lines[n].startswith("[")]
    places = [n for n in range(start, (ends or [len(lines)])[0]) if re.match(rf"#?{re.escape(key)} =", lines[n])]
    if places:
        lines[places[0]] = f"{key} = {value}"
    else:
        lines.insert(start, f"{key} = {value}")
    path.write_text("\n".join(lines) + "\n")
    return (places[0] if places else start) + 1


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cpq", "port", "99999999"),
        ("cpq", "prot", "7025"),
        ("log", "json", '"perhaps"'),
        ("delivery", "smtproutes", '["ALL host:port:more"]'),
        ("gateway.policy", "filters", '"x: if (subject == ) { drop(); }"'),
        ("gateway.policy", "filters", '"x: if (true) { quarantine(\\"Nowhere\\"); }"'),
        ("log", "rollover_bytes", "1 2 3"),
    ],
)
def test_check_config_names_file_line_and_cure(world: World, section: str, key: str, value: str) -> None:
    directory = world.make("gateway").directory
    path = directory / "pratique.toml"
    number = _spoil(path, section, key, value)
    done = world.run("check-config", str(directory))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{path}:{number}: " in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    shown = world.run("check-config", str(directory), "--json")
    assert shown.returncode == 1
    (problem, *_) = json.loads(shown.stdout)
    assert problem["line"] == number
    assert problem["cure"] and problem["cure"] in done.stderr


def test_an_appliance_with_a_bad_file_does_not_start(world: World) -> None:
    directory = world.make("gateway").directory
    number = _spoil(directory / "pratique.toml", "cpq", "port", "0")
    refused = world.run("run", str(directory))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"pratique.toml:{number}: " in refused.stderr


def test_exit_codes(world: World, tmp_path: Path) -> None:
    good = world.make("manager").directory
    assert world.run("check-config", str(good)).returncode == 0
    assert world.run("check-config", str(tmp_path / "nothing")).returncode == 1
    for wrong in (["nonsense"], ["check-config"], ["init", "king", str(tmp_path / "x")], ["run", str(good), "--loud"]):
        done = world.run(*wrong)
        assert done.returncode == 2, wrong
        assert "--help" in done.stderr and "Traceback" not in done.stderr
    assert world.run("--version").stdout.strip().count(".") == 2
    assert world.run("enroll", str(good), str(tmp_path / "missing")).returncode == 1


def test_a_port_in_use_is_said_and_exits_1(world: World) -> None:
    appliance = world.make("gateway")
    with socket.create_server((appliance.address, SMTP_PORT)):
        done = world.run("run", str(appliance.directory))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr and "change the port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_process_on_the_same_directory_is_refused(shared: World) -> None:
    done = shared.run("run", str(shared.gateway.directory))
    assert done.returncode == 1
    assert "another process has the store" in done.stderr
    assert shared.gateway.runs


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    appliance = world.make("manager")
    path = world.base / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        appliance.start()
        assert sock.recv(100) == b"READY=1"
        appliance.signal(signal.SIGTERM)
        assert sock.recv(100) == b"STOPPING=1"
    assert appliance.process and appliance.process.wait(15) == 0


def test_a_store_of_another_appliance_is_refused_with_the_cure(world: World) -> None:
    one, other = world.make("manager", "one"), world.make("manager", "other")
    database = other.directory / "store" / "store.db"
    database.write_bytes((one.directory / "store" / "store.db").read_bytes())
    done = world.run("run", str(other.directory))
    assert done.returncode == 1
    assert "belongs to the manager" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_enrolment_is_refused(world: World, tmp_path: Path) -> None:
    world.pair()
    shown = world.run("enroll", str(world.gateway.directory), "--show").stdout
    paper = json.loads(shown)
    file = tmp_path / "paper"
    cases: list[tuple[str, str]] = [
        (json.dumps(paper | {"fingerprint": "00" * 32}), "fingerprint does not match"),
        (json.dumps(paper | {"role": "manager"}), "enrols gateways"),
        (shown[:100], "not JSON"),
        ("{}", "not an enrolment"),
    ]
    for text, why in cases:
        file.write_text(text)
        done: subprocess.CompletedProcess[str] = world.run("enroll", str(world.manager.directory), str(file))
        assert (done.returncode, done.stdout) == (1, "")
        assert why in done.stderr
