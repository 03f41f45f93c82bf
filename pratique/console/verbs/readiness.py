"""readiness: why the quarantine service of a gateway would not work, by name."""

from collections.abc import Sequence
from dataclasses import asdict

from pratique.console.access.roles import Permission
from pratique.console.commands import readiness as commands
from pratique.console.commands.readiness import Readiness
from pratique.console.verbs.verb import FAILED, GATEWAY, Call, Usage, verb
from pratique.mail.text import log_text


@verb("readiness", Permission.STATUS, places=GATEWAY, usage="readiness [--json]")
async def readiness(call: Call) -> int:
    """Ask the manager over the quarantine port whether all is ready, and look at what must be so here.

    Each check is passed, failed with its cure, or cannot be told. Exits 1 when one failed.
    """
    if call.words:
        raise Usage("no word is taken")
    checks = await commands.readiness(call.desk, call.person)
    call.give([asdict(check) for check in checks], lambda: checks_text(checks))
    return FAILED if any(check.ok is False for check in checks) else 0


def checks_text(checks: Sequence[Readiness]) -> str:
    lines = []
    for check in checks:
        state = {True: "passed", False: "FAILED", None: "unknown"}[check.ok]
        lines.append(f"{state:8} {log_text(check.name)}: {log_text(check.found)}")
        if check.ok is False and check.cure:
            lines.append(f"         cure: {log_text(check.cure)}")
    failed = sum(check.ok is False for check in checks)
    lines.append(f"{failed} of {len(checks)} checks failed." if failed else "Ready: no check failed.")
    return "\n".join(lines)
