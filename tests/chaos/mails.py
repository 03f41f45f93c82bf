"""The mails of a run: each is made from its number alone, so that it can be made again and compared octet for octet.

The fate of a mail stands in its subject, where the filters and the reviewers see it. Each pair of mail and recipient
has an address of its own: what is counted anywhere is counted by address.
"""

import random
import re
from dataclasses import dataclass
from functools import cached_property

FATES = {  # out of 100
    "plain": 30,  # goes straight on
    "plain-refused": 4,  # the destination refuses its recipient: the sender gets a notice
    "plain-several": 4,  # three recipients, one of them refused
    "hold-release": 36,
    "hold-delete": 10,
    "hold-contest": 6,  # one reviewer releases while the other deletes
    "hold-keep": 5,  # nobody decides
    "hold-release-refused": 2,
    "hold-release-several": 3,
}
FILTER = 'hold: if (subject == "^hold") { quarantine("Policy"); }'
DOMAIN, SENDERS = "inside.example", "outside.example"
REFUSED = "no"  # begins an address that the destination refuses
LARGE_BYTES = 1_300_000  # above what a spool keeps in memory: a file of its own
_NUMBER = re.compile(r"(?:m|no|s)(\d+)")


@dataclass(frozen=True)
class Mail:
    number: int
    seed: int

    @cached_property
    def _chance(self) -> random.Random:
        return random.Random(f"{self.seed}/{self.number}")

    @cached_property
    def fate(self) -> str:
        return random.Random(f"fate {self.seed}/{self.number}").choices(list(FATES), list(FATES.values()))[0]

    @property
    def sender(self) -> str:
        return f"s{self.number}@{SENDERS}"

    @cached_property
    def recipients(self) -> tuple[str, ...]:
        if self.fate.endswith("refused"):
            return (f"{REFUSED}{self.number}.0@{DOMAIN}",)
        if self.fate.endswith("several"):
            return tuple(f"{kind}{self.number}.{n}@{DOMAIN}" for n, kind in enumerate(("m", REFUSED, "m")))
        return (f"m{self.number}.0@{DOMAIN}",)

    @cached_property
    def octets(self) -> bytes:
        chance = self._chance
        head = (
            f"From: <{self.sender}>\r\nTo: <{self.recipients[0]}>\r\nSubject: {self.fate} {self.number}\r\n"
            f"Message-ID: <{self.number}@{SENDERS}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
        )
        size = LARGE_BYTES if chance.random() < 0.005 else int(400 * 100 ** (chance.random() ** 2))
        lines = [chance.randbytes(chance.randrange(36)).hex() for _ in range(min(200, size // 36))]
        text = "\r\n".join([".", "..", *lines]).encode() + b"\r\n.dots begin lines\r\n"
        return head.encode() + text * max(1, size // len(text))


def fate_of(subject: str) -> str:
    return subject.partition(" ")[0]


def number_of(address: str) -> int:
    """The mail that an address of ours belongs to; -1 when it is none of ours."""
    found = _NUMBER.match(address)
    return int(found[1]) if found else -1
