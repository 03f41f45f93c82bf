"""The small client of our own REST API: the appliance's certificate and nobody else's."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.front.rest_client import RestClient, RestFailed
from tests.net.certificates import Made, make


class Answering(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        status = 403 if "refuse" in self.path else 200
        shown = {"method": self.command, "path": self.path, "body": body, "auth": self.headers["Authorization"]}
        octets = json.dumps(shown).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *arguments: Any) -> None:
        return


class Quiet(http.server.HTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that refuses our certificate hangs up: that is what is tested."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Made]]:
    made = make(tmp_path, "web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate_file, made.key_file)
    with Quiet(("127.0.0.1", 0), Answering) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield running.server_address[1], made
        running.shutdown()
        thread.join(5)


def _client(port: int, certificate: str) -> RestClient:
    return RestClient("127.0.0.1", port, Path(certificate), "admin", "p\u00e4ss", "/sma/api/v2.0")


async def test_calls_carry_sign_in_query_and_body(server: tuple[int, Made]) -> None:
    port, made = server
    client = _client(port, made.certificate_file)
    got = await client.get("/quarantine/messages", quarantines="A B,C", limit=25)
    assert got["path"] == "/sma/api/v2.0/quarantine/messages?quarantines=A+B%2CC&limit=25"
    assert got["auth"] == "Basic YWRtaW46cMOkc3M="
    posted = await client.post("/x", {"mids": [1]})
    assert (posted["method"], json.loads(posted["body"])) == ("POST", {"mids": [1]})
    assert (await client.delete("/x", {"mids": [2]}))["method"] == "DELETE"


async def test_a_refusal_is_an_error_with_its_status(server: tuple[int, Made]) -> None:
    port, made = server
    with pytest.raises(RestFailed, match="GET /refuse: 403"):
        await _client(port, made.certificate_file).get("/refuse")


async def test_another_certificate_is_not_believed(server: tuple[int, Made], tmp_path: Path) -> None:
    port, _ = server
    stranger = make(tmp_path, "stranger")
    with pytest.raises(ssl.SSLCertVerificationError):
        await _client(port, stranger.certificate_file).get("/x")
