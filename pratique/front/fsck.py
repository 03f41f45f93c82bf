"""`pratique fsck`: does the store of an appliance agree with itself and with its spool?

Beside a running appliance it only reads; the list of corrupt copies is then kept by the appliance itself, over its
socket, which also raises the alarms. Of a stopped one it takes the lock, keeps that list itself (the next start raises
the alarm), and with `repair` makes derived numbers anew. What is checked is store/fsck's business.
"""

import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pratique.front.control import local_user
from pratique.front.files import read_options
from pratique.front.local import ask
from pratique.net.clock import SystemClock
from pratique.store.fsck.findings import CURES, DERIVED, Finding, Report
from pratique.store.fsck.run import Checked
from pratique.store.moves import StoreFailed

TERMINAL_SECONDS = 0.5  # between two lines of progress where a person looks on
OTHER_SECONDS = 10.0  # and where the lines are kept
TOLD_AT_ONCE = 1_000  # corrupt copies in one line to a running appliance


class Teller:
    """Progress on standard error."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()
        self._began: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        began = self._began.setdefault(what, now)
        if now - self._told < (TERMINAL_SECONDS if self._terminal else OTHER_SECONDS):
            return
        self._told = now
        left = (now - began) * (total - done) / done if done else 0.0
        text = f"{what}: {done / total:.0%}, {left:.0f} s left" if total else f"{what} ..."
        print(f"\r{text:<60}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr)  # noqa: T201

    def end(self) -> None:
        if self._terminal:
            print("\r" + " " * 60, end="\r", file=sys.stderr)  # noqa: T201


@dataclass(frozen=True, slots=True)
class Outcome:
    report: Report
    running: bool


async def check(directory: Path, *, repair: bool, read_bodies: bool) -> Outcome:
    """Raises BadConfiguration, StoreFailed, LocalRefused, OSError: each says what to do."""
    options = read_options(directory)
    store, spool = directory / options.store.directory, directory / options.store.spool
    checked = Checked(str(store), str(spool), role=options.appliance.role)
    try:
        if repair and not checked.stopped:
            raise StoreFailed("the appliance runs: stop it first, then repair; without --repair it may run on")
        teller = Teller()
        report = checked.examine(progress=teller, read_bodies=read_bodies)
        teller.end()
        if checked.stopped:
            checked.write(report, repair=repair, actor=local_user(os.getuid()).name, now=SystemClock().now_ms())
    finally:
        checked.close()
    if not checked.stopped:
        await _tell_running(directory, report)
    return Outcome(report, running=not checked.stopped)


async def _tell_running(directory: Path, report: Report) -> None:
    corrupt = list(report.corrupt.items())
    for start in range(0, len(corrupt), TOLD_AT_ONCE):
        found = {str(mid): why for mid, why in corrupt[start : start + TOLD_AT_ONCE]}
        await ask(directory, "corrupt", found=found)
    if report.proved:
        await ask(directory, "corrupt", proved=list(report.proved))


# --- what is printed ------------------------------------------------------------------------------------------------
def as_json(outcome: Outcome) -> dict[str, Any]:
    report = outcome.report
    return {
        "clean": report.left == 0,
        "running": outcome.running,
        "copies": report.copies,
        "bodies": report.bodies,
        "octets": report.octets,
        "bodies_read": report.read_bodies,
        "audit_rows": report.audit_rows,
        "counted": {kind.value: count for kind, count in sorted(report.counted.items())},
        "found": [
            {
                "kind": found.kind.value,
                "mid": found.mid or None,
                "what": found.what,
                "cure": CURES[found.kind],
                "repaired": report.repaired and found.kind in DERIVED,
            }
            for found in report.found
        ],
        "corrupt": sorted(report.corrupt),
        "proved": list(report.proved),
        "space": asdict(report.space),
    }


def rendered(outcome: Outcome) -> str:
    report = outcome.report
    bodies = f"{report.bodies} bodies ({_mib(report.octets)})" + ("" if report.read_bodies else ", not read")
    beside = ", beside the running appliance" if outcome.running else ""
    lines = [f"{report.copies} copies, {bodies}, {report.audit_rows} audit rows{beside}"]
    told = set()
    for found in report.found:
        repaired = report.repaired and found.kind in DERIVED
        lines.append(f"{'REPAIRED' if repaired else 'FOUND':8} {found.kind.value}: {_named(found)}")
        if not repaired and found.kind not in told:
            told.add(found.kind)
            lines.append(f"         cure: {CURES[found.kind]}")
    more = sum(report.counted.values()) - len(report.found)
    if more:
        lines.append(f"         and {more} more")
    if report.proved:
        lines.append(f"proved good again: MID {', '.join(map(str, report.proved))}")
    lines += _space(outcome)
    lines.append(f"{report.left} faults" if report.left else "the store agrees with itself and its spool")
    return "\n".join(lines)


def _named(found: Finding) -> str:
    return f"MID {found.mid}: {found.what}" if found.mid else found.what


def _space(outcome: Outcome) -> list[str]:
    space = outcome.report.space
    lines = []
    if space.unnamed_files:
        ends = "held by it or given back by itself" if outcome.running else "given back at the next start"
        lines.append(f"space: {space.unnamed_files} files hold no message ({_mib(space.unnamed_bytes)}), {ends}")
    if space.let_go_bytes:
        lines.append(f"space: {_mib(space.let_go_bytes)} of bodies let go, in files that others are still in")
    if space.foreign:
        lines.append(f"space: files in the spool that are none of ours: {', '.join(map(ascii, space.foreign[:10]))}")
    return lines


def _mib(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MiB"
