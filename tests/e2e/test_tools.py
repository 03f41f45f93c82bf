"""The programs that a new user has at hand: swaks and smtp-source."""

import subprocess

from tests.e2e.world import SMTP_PORT, World, need, until


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)


def test_swaks_with_tls_and_pipelining(shared: World) -> None:
    swaks = need("swaks", "swaks")
    place = ["--server", shared.gateway.address, "--port", str(SMTP_PORT), "--from", "a@partner.example"]
    for extra in ((), ("--tls",), ("--pipeline",), ("--header", "Subject: hold this")):
        done = _run(swaks, *place, "--to", "b@demo.example", *extra)
        assert done.returncode == 0, done.stdout
        assert "250 2.0.0 ok: Message" in done.stdout
    until(lambda: shared.manager.held())
    until(lambda: len(shared.hop.messages) >= 3)


def test_smtp_source_sends_a_stream(shared: World) -> None:
    source = need("smtp-source", "postfix")
    before = len(shared.hop.messages)
    done = _run(
        source, "-s", "10", "-m", "200", "-l", "10000", "-N", "-d",
        "-f", "a@partner.example", "-t", "stream@demo.example", f"{shared.gateway.address}:{SMTP_PORT}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    until(lambda: len(shared.hop.messages) == before + 200, what="all of them delivered")
    until(lambda: shared.gateway.count("delivery WHERE state IN ('DUE', 'DOT')") == 0)
