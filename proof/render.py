"""The tables of docs/custody.md, rendered from the code: `python -m proof.render` rewrites them in place, and a test
fails while the document and the code differ."""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from pratique.delivery import custody, lifecycle, recovery
from proof.mutants import CHANGED, MUTANTS, changed_name
from proof.rules import Safeguard

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "custody.md"
_Rows = Iterable[tuple[tuple[StrEnum, StrEnum], StrEnum]]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines)


def receiver() -> str:
    rows: list[tuple[str, ...]] = [
        (f"`{kind}`", content, custody.GROUP[kind, content], custody.CANCEL[kind, content])
        for kind, content in custody.GROUP
    ]
    return _table(("tombstone", "content and peer", "message group", "XQCANCEL"), rows)


def _machine(rows: _Rows) -> str:
    return _table(
        ("state", "event", "next state"),
        [(f"`{state}`", event, f"`{after}`") for (state, event), after in rows],
    )


def gateway() -> str:
    return _machine(custody.GATEWAY.items())


def manager() -> str:
    return _machine(custody.MANAGER.items())


def recipient() -> str:
    return _machine(lifecycle.TABLE.items())


def reconcile() -> str:
    rows: list[tuple[str, ...]] = [
        (f"`{state}`", told, f"`{after}`") for (state, told), after in recovery.RECONCILE.items()
    ]
    return _table(("state", "told", "next state"), rows)


def adopt() -> str:
    rows: list[tuple[str, ...]] = [
        (f"`{state}`", shown, f"`{after}`") for (state, shown), after in recovery.ADOPT.items()
    ]
    return _table(("state", "shown", "next state"), rows)


def adopt_release() -> str:
    rows: list[tuple[str, ...]] = [(shown, f"`{after}`") for shown, after in recovery.ADOPT_RELEASE.items()]
    return _table(("shown", "next state"), rows)


def safeguards() -> str:
    rows: list[tuple[str, ...]] = []
    for safeguard in Safeguard:
        mutant = MUTANTS[f"no-{safeguard.name.lower().replace('_', '-')}"]
        rows.append((safeguard.value, f"`{mutant.name}`", mutant.scenario))
    for table, row, value, scenario in CHANGED:
        made = "missing" if value is None else f"`{value}`"
        rows.append((f"{table}: ({', '.join(row)}) is not {made}", f"`{changed_name(table, row, value)}`", scenario))
    return _table(("safeguard", "mutant that goes without it", "caught in"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "receiver": receiver,
    "gateway": gateway,
    "manager": manager,
    "reconcile": reconcile,
    "adopt": adopt,
    "adopt_release": adopt_release,
    "recipient": recipient,
    "safeguards": safeguards,
}


def rendered(text: str) -> str:
    """The document with every marked table as the code has it."""
    for name, render in PARTS.items():
        begin, end = f"<!-- {name}: rendered, see proof/render.py -->\n", f"\n<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(
                f"docs/custody.md has no place for the table {name!r}: put back {begin.strip()} and its end"
            )
        text = f"{before}{begin}{render()}{end}{after}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
