"""A small client of our own REST API, for the demo and the doctor: HTTPS with the appliance's certificate pinned."""

import asyncio
import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode


class RestFailed(Exception):
    """The answer was no success; the text holds status and message."""


@dataclass(frozen=True, slots=True)
class RestClient:
    address: str
    port: int
    certificate: Path
    user: str
    password: str
    base: str  # /sma/api/v2.0 or /esa/api/v2.0

    async def get(self, path: str, **query: str | int) -> Any:
        return await asyncio.to_thread(self._call, "GET", f"{path}?{urlencode(query)}" if query else path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._call, "POST", path, body)

    async def delete(self, path: str, body: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._call, "DELETE", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # one that an authority signed is pinned like our own
        context.check_hostname = False  # the certificate itself is pinned
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPSConnection(self.address, self.port, context=context, timeout=60)
        try:
            payload = json.dumps(body).encode() if body is not None else None
            connection.request(method, self.base + path, body=payload, headers=headers)
            answer = connection.getresponse()
            octets = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RestFailed(f"{method} {path}: {answer.status} {octets[:300].decode(errors='replace')}")
        return json.loads(octets)
