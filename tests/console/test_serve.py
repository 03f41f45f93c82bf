"""The API on a real port over TLS, beside other work in the loop; clients that are slow or speak nonsense."""

import asyncio
import json
import logging
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from pratique.console import serve
from pratique.console.serve import ConsoleServer
from pratique.fleet import identity
from tests.console.rest_world import BASE, PASSWORD, RestWorld


@pytest.fixture
async def server(rest: RestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ConsoleServer]:
    monkeypatch.setattr(serve, "REQUEST_SECONDS", 0.1)
    keys = identity.create(
        tmp_path / "keys", name="localhost", serial="S" * 20, addresses=("127.0.0.1",), signing=False
    )
    made = ConsoleServer(rest.app, address="127.0.0.1", port=0, certificate=keys.web_certificate, key=keys.web_key)
    await made.start()
    yield made
    await made.stop()


def _trust(tmp_path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tmp_path / "keys" / "web.crt"))


async def test_a_call_over_tls(rest: RestWorld, server: ConsoleServer, tmp_path: Path) -> None:
    await rest.held()
    async with httpx.AsyncClient(verify=_trust(tmp_path), base_url=f"https://127.0.0.1:{server.port}") as client:
        answer = await client.get(f"{BASE}/quarantine/messages", auth=("administrator", PASSWORD))
        again = await client.get(f"{BASE}/quarantine/messages?limit=1", auth=("administrator", PASSWORD))
    assert answer.json()["meta"]["totalCount"] == 1
    assert answer.headers.get_list("date") == ["Tue, 24 Nov 2026 03:13:20 GMT"]
    assert "server" not in answer.headers
    assert again.status_code == 200


async def test_old_tls_is_refused(server: ConsoleServer, tmp_path: Path) -> None:
    context = _trust(tmp_path)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


async def test_the_processs_signals_and_standard_error_stay_the_applications(
    server: ConsoleServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    logging.getLogger("uvicorn.error").warning("a note")
    assert capfd.readouterr() == ("", "")


async def _talk(server: ConsoleServer, tmp_path: Path, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=_trust(tmp_path))
    try:
        writer.write(octets)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_nonsense_is_answered_in_json(server: ConsoleServer, tmp_path: Path) -> None:
    head, _, body = (await _talk(server, tmp_path, b"nonsense\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "400"


async def test_an_uri_that_is_longer_than_all_that_is_read_is_named(server: ConsoleServer, tmp_path: Path) -> None:
    head, _, body = (await _talk(server, tmp_path, b"GET /?q=" + b"x" * 100_000)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 414 ") and b"content-type: application/json" in head
    assert json.loads(body)["error"]["explanation"] == "414 = URI is too long."


async def test_a_connection_too_many_is_told_so_in_json(
    server: ConsoleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS_MAX", 1)
    async with (
        httpx.AsyncClient(verify=_trust(tmp_path), base_url=f"https://127.0.0.1:{server.port}") as first,
        httpx.AsyncClient(verify=_trust(tmp_path), base_url=f"https://127.0.0.1:{server.port}") as second,
    ):
        assert (await first.get(f"{BASE}/health")).status_code == 200
        answer = await second.get(f"{BASE}/health")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
    assert answer.json()["error"]["code"] == "503"


async def test_headers_without_end_are_cut_off(server: ConsoleServer, tmp_path: Path) -> None:
    answer = await _talk(server, tmp_path, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)
    assert answer.startswith((b"HTTP/1.1 4", b"")) and b"200 OK" not in answer


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x",
        b"POST /sma/api/v2.0/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ],
)
async def test_a_request_that_does_not_arrive_ends_its_connection(
    server: ConsoleServer, tmp_path: Path, octets: bytes
) -> None:
    assert await _talk(server, tmp_path, octets) == b""


async def test_a_second_request_that_does_not_arrive_ends_its_connection(server: ConsoleServer, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=_trust(tmp_path))
    writer.write(b"GET /sma/api/v2.0/health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.write(b"GET /sma")
    async with asyncio.timeout(5):
        rest = await reader.read()
    assert rest == b'{"data": {"status": "ok"}}'
    writer.close()


async def test_a_port_that_is_taken_is_an_oserror(rest: RestWorld, server: ConsoleServer, tmp_path: Path) -> None:
    keys = identity.Keys(tmp_path / "keys")
    other = ConsoleServer(
        rest.app, address="127.0.0.1", port=server.port, certificate=keys.web_certificate, key=keys.web_key
    )
    with pytest.raises(OSError, match="in use"):
        await other.start()
    await other.stop()
