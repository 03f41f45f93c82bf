"""The certificates of a running appliance: shown, replaced without a restart, and kept over one."""

import hashlib
import ssl
from pathlib import Path

from pratique.fleet.identity import make_pair
from tests.e2e.world import WEB_PORT, Appliance, World


def served(appliance: Appliance) -> str:
    """SHA-256 of the certificate that the REST API shows."""
    pem = ssl.get_server_certificate((appliance.address, WEB_PORT))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def does(world: World, line: str) -> str:
    done = world.run("shell", str(world.manager.directory), line)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def put(path: Path, certificate: str, key: str) -> None:
    path.write_text(certificate + key)


def test_another_web_certificate_is_shown_at_once_and_after_a_restart(world: World) -> None:
    world.pair()
    world.start(world.manager)
    manager = world.manager
    first = served(manager)
    listed = does(world, "certconfig list")
    assert "List of Certificates" in listed and "cpq" in listed and "web" in listed and "Active" in listed

    does(world, "certconfig new")
    second = served(manager)
    assert second != first
    printed = does(world, "certconfig print web")
    assert second in printed and "PRIVATE" not in printed

    saved = manager.directory / "configuration" / "saved"
    saved.mkdir(parents=True, exist_ok=True)
    certificate, key = make_pair(common_name="quarantine.example", names=("quarantine.example",))
    put(saved / "wrong.pem", certificate, make_pair(common_name="other.example", names=("other.example",))[1])
    refused = world.run("shell", str(manager.directory), "certconfig import wrong.pem")
    assert refused.returncode == 1
    assert "the key is not the one of this certificate" in refused.stderr
    assert served(manager) == second

    put(saved / "own.pem", certificate, key)
    assert "Remove the file own.pem now" in does(world, "certconfig import own.pem")
    third = served(manager)
    assert third not in (first, second)
    manager.stop()
    manager.start()
    assert "quarantine.example" in does(world, "certconfig list")
    assert served(manager) == third
    assert list((manager.directory / "keys").glob("*-next*")) == []
