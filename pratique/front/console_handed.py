"""What custody starts a console process with."""

import json
from dataclasses import asdict, dataclass

NONE = -1


@dataclass(frozen=True, slots=True)
class Handed:
    """As JSON on its command line. `stream`, `rest`, `ssh`: file descriptors, NONE = that face
    is not served."""

    name: str
    role: str
    stream: int
    rest: int
    ssh: int
    certificate: str
    key: str
    host_keys: list[str]

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Handed":
        return cls(**json.loads(text))

    def descriptors(self) -> tuple[int, ...]:
        return tuple(number for number in (self.stream, self.rest, self.ssh) if number != NONE)
