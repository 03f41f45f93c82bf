"""What the gateway asks of its checks. A check reports facts or Unknown; it never decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pratique.mail.body import Body
from pratique.policy.facts import Message, Unknown, VirusResult


class VirusEngine(Protocol):
    name: str

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        """Within its own deadline. `octets` is the whole message when it is in memory."""
        ...


class ContentReader(Protocol):
    def read_now(self, octets: bytes, *, attachments: bool, texts: bool) -> Message | None:
        """Headers and, when wanted, structure and texts, if that is cheap and safe in this process (single-part text
        within all caps, or nothing but headers wanted); None = use `read`."""
        ...

    async def read(self, body: Body, octets: bytes | None, *, attachments: bool, texts: bool) -> Message:
        """The same by the worker pool; what cannot be read is Unknown inside the Message."""
        ...


@dataclass(frozen=True, slots=True)
class Engines:
    virus: Sequence[VirusEngine]
    content: ContentReader
