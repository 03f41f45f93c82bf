"""A collector of configurations that people have for the reference system, played exactly: it signs in by SSH at a
terminal, waits for its prompt, answers the one question with 3, pages on, and ends with `exit`. It is told by its own
published patterns; nothing of ours is made easy for it.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.console.ssh.limits import KEX
from tests.e2e.ssh_client import SSH_PORT, Client, Terminal, let_in, make_key
from tests.e2e.world import PASSWORD, Appliance, World, lacks, need

PROMPT = r"^\r*([(][\w. ]+[)][#>]\s+)$"  # of a member of a cluster
QUESTION = r"\[\S+\]>\s"
PAGER = r"-Press Any Key For More-+.*$"
CHOICES = (
    "Choose the passphrase option:",
    "1. Mask passphrases (Files with masked passphrases cannot be loaded using loadconfig command)",
    "2. Encrypt passphrases",
    "3. Plain passphrases",
    "3",
)


class Collector:
    """`prompt`: the pattern by which it knows that a command is over. Its terminal has 24 lines of 80 columns."""

    def __init__(self, client: Client, user: str = "admin", *, key: bool = True, prompt: str = PROMPT) -> None:
        self._over = f"(?m:{prompt})"
        self._any = f"{self._over}|{QUESTION}|(?m:{PAGER})"
        self.answers: list[str] = []
        words = client.words("-tt", f"{user}@{client.appliance.address}", key=key)
        self._terminal = Terminal(words, rows=24, columns=80)
        if not key:
            self._terminal.until("Password: ")
            self._terminal.type(PASSWORD + "\n")
        self._expect()

    def _expect(self) -> str:
        """What came up to the prompt; the question is answered and pages are turned on the way."""
        whole = ""
        while True:
            seen = self._terminal.until(self._any)
            whole += re.sub(self._any, "\n", seen)
            if re.search(f"(?:{self._over})\\Z", seen):
                return whole
            self.answers.append("3\n" if re.search(f"(?:{QUESTION})\\Z", seen) else " ")
            self._terminal.type(self.answers[-1])

    def cmd(self, line: str) -> list[str]:
        """The lines that the command shows, without its echo and the choices; blank ones left out."""
        self.answers.clear()
        self._terminal.type(line + "\n")
        shown = [text.strip() for text in re.split(r"[\r\n]+", self._expect()) if text.strip()]
        assert shown[0] == line
        return [text for text in shown[1:] if text not in CHOICES]

    def leave(self) -> int:
        self._terminal.type("exit\n")
        return self._terminal.ended()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("collector")
    make_key(base)
    made = World(base / "world")
    made.pair(gateway={"ssh.enabled": "true"}, manager={"ssh.enabled": "true"})
    try:
        made.start()
        for one in (made.manager, made.gateway):
            let_in(one, base)
        Client(made.gateway, base).do("clusterconfig create site")
        yield made
    finally:
        made.close()


def lines_of(appliance: Appliance) -> list[str]:
    text = (appliance.directory / "pratique.toml").read_text()
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("key", [True, False], ids=["key", "pass phrase"])
def test_a_member_of_a_cluster_as_it_comes(site: World, *, key: bool) -> None:
    collector = Collector(Client(site.gateway, site.base.parent), key=key)
    assert f"Name: {site.gateway.name}" in collector.cmd("version")
    assert collector.answers == []
    assert collector.cmd("showconfig") == lines_of(site.gateway)
    assert collector.answers[0] == "3\n" and set(collector.answers[1:]) == {" "}, "one question, then pages"
    assert collector.leave() == 0


def test_the_library_of_the_collector_as_it_is_shipped(site: World) -> None:
    """Debian's net-ssh knows no X25519 and no Ed25519."""
    ruby = need("ruby", "ruby")
    if subprocess.run([ruby, "-e", "require 'net/ssh'"], check=False, capture_output=True).returncode:
        lacks("Ruby's net-ssh is missing: install Debian's ruby-net-ssh")
    words = [ruby, str(Path(__file__).with_name("collect.rb")), site.gateway.address, str(SSH_PORT), "admin"]
    done = subprocess.run(
        [*words, "version", "showconfig"], input=PASSWORD, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert f"Name: {site.gateway.name}" in answers["version"]
    shown = [line.strip() for line in re.split(r"[\r\n]+", answers["showconfig"]) if line.strip()]
    assert [line for line in shown if line not in CHOICES][1:-1] == lines_of(site.gateway)
    assert answers["kex"] in KEX


def test_a_manager_with_the_prompt_of_one_machine(site: World) -> None:
    """No parentheses stand around it, as on an appliance of the reference system that is in no cluster."""
    collector = Collector(Client(site.manager, site.base.parent), prompt=rf"^\r*({re.escape(site.manager.name)}>\s+)$")
    assert "Product: Pratique manager" in collector.cmd("version")
    assert collector.cmd("showconfig") == lines_of(site.manager)
    assert collector.leave() == 0


def test_a_script_without_a_terminal_is_asked_nothing(site: World) -> None:
    client, text = Client(site.manager, site.base.parent), (site.manager.directory / "pratique.toml").read_text()
    assert client.do("showconfig").rstrip("\n") == text.rstrip("\n")
    assert json.loads(client.do("showconfig --json"))["text"] == text


def test_who_may_not_configure_is_told_what_to_choose(site: World) -> None:
    client = Client(site.gateway, site.base.parent)
    client.do(f"userconfig new reader read-only-operator '{PASSWORD}'")
    collector = Collector(client, "reader", key=False, prompt=r"^\r*([(]?[\w. ]+[)]?>\s+)$")
    (told,) = collector.cmd("showconfig")
    assert "may not see pass phrases; choose 1 (mask)" in told
    assert collector.leave() == 0
