"""The commands that keep an appliance's state whole: `pratique fsck`, `doctor`, `backup`, `restore`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pratique.front.saying import complain, say


def fsck(
    directory: Path,
    /,
    *,
    repair: bool = False,
    quick: bool = False,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Check that rows, numbers, audit and spool agree and that every body is what was accepted. Ends with 1 when not.

    May run beside the appliance. Nothing is deleted; corrupt bodies are put on the list of those never delivered.

    Parameters
    ----------
    directory
        The appliance.
    repair
        Make counts and indexes anew from the rows. The appliance must be stopped.
    quick
        Do not read the bodies: only rows, numbers, audit, and whether the bodies' places are there.
    json_
        Print JSON.
    """
    from pratique.front.fsck import as_json, check, rendered

    outcome = asyncio.run(check(directory, repair=repair, read_bodies=not quick))
    say(json.dumps(as_json(outcome)) if json_ else rendered(outcome))
    return 1 if outcome.report.left else 0


def backup(directory: Path, target: Path, /) -> int:
    """Copy the state of an appliance, running or not, into the new directory TARGET: rows, bodies, configuration, keys.

    Parameters
    ----------
    directory
        The appliance.
    target
        A directory that is not there yet, best on another disk. It holds private keys: keep it safe.
    """
    from pratique.front.backup import back_up
    from pratique.front.local import ask

    made = back_up(directory, target)
    say(f"{target}: {made.bodies} bodies, {made.octets} B; all up to number {made.seq} of incarnation {made.inc}")
    for text in made.wrong:
        complain(text)
    if made.wrong:
        return 1
    asyncio.run(ask(directory, "watermark", seq=made.seq))
    return 0


def restore(source: Path, directory: Path, /, *, verify: bool = False) -> int:
    """Put the backup SOURCE into the empty directory DIRECTORY. When it is run, the appliance first recovers what its
    peers know of the time since.

    Parameters
    ----------
    source
        What `pratique backup` made.
    directory
        Where the appliance shall be; not there yet, or empty.
    verify
        Prove every body and the audit chain before anything is written.
    """
    from pratique.front.backup import restore as put_back

    made = put_back(source, directory, verify=verify)
    proved = f"; {made.bodies} bodies ({made.octets} B) and the audit chain were proved" if verify else ""
    say(f"{directory}: as it was at number {made.seq} of incarnation {made.inc}{proved}")
    say(f"Next: `pratique run {directory}`. It recovers by itself once every peer has been heard.")
    return 0


def doctor(directory: Path, /, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Run the live checks of an appliance; each failure comes with its cure. Ends with 1 when a required one fails.

    Parameters
    ----------
    directory
        The appliance.
    json_
        Print JSON.
    """
    from pratique.front.doctor import examine, rendered

    checks = asyncio.run(examine(directory))
    say(json.dumps([check.to_json() for check in checks]) if json_ else rendered(checks))
    return 1 if any(check.failed for check in checks) else 0
