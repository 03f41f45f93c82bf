"""Options of the mail log."""

from dataclasses import dataclass, field
from typing import Any

LOCALS = tuple(f"local{number}" for number in range(8))  # facilities of syslog that are an administrator's


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


@dataclass(frozen=True, slots=True)
class LogSettings:
    directory: str = option("log", "Where logs are written, relative to the appliance's directory.")
    rollover_bytes: int = option(104_857_600, "Size at which mail.current is rolled over.", min=4096)
    keep_files: int = option(10, "Rolled files that are kept.", min=1)
    debug: bool = option(False, "Write Debug lines, too: detail for fault finding.")
    json: bool = option(True, "Write the same events as JSON lines to mail.json.current.")
    syslog: str = option(
        "",
        "A syslog server that gets every line of the mail log, too, by UDP: an IP address, with :PORT where it is "
        "not 514. Empty: none.",
    )
    syslog_facility: str = option("mail", "The facility of those lines.", choices=("mail", *LOCALS))
