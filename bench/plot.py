"""One bar, one picture: ours beside the peer, and the goal, as an SVG file that needs no program to be drawn."""

import re
from html import escape
from pathlib import Path
from typing import Any

WIDTH, LEFT, ROW = 760, 150, 34
COLOURS = {"ours": "#0b6e4f", "peer": "#8a8f98", "goal": "#c8553d"}


def draw(directory: Path, title: str, found: dict[str, Any]) -> None:
    """Writes DIRECTORY/<title>.svg."""
    names = ("raw_tls", "append_64") if "raw_tls" in found else ("peer", "aiosmtpd")
    beside = [name for name in names if found.get(name) is not None]
    rows = [(name, float(found[name])) for name in ("ours", *beside)]
    if not beside:
        rows.append(("goal", float(found["goal"])))
    most = max(value for _, value in rows) or 1.0
    scale = (WIDTH - LEFT - 100) / most
    lines = [
        f'<rect x="{LEFT}" y="{36 + at * ROW}" width="{value * scale:.1f}" height="22" '
        f'fill="{COLOURS.get(name, COLOURS["peer"])}"/>'
        f'<text x="{LEFT - 8}" y="{52 + at * ROW}" text-anchor="end">{escape(name)}</text>'
        f'<text x="{LEFT + value * scale + 6:.1f}" y="{52 + at * ROW}">{value:g}</text>'
        for at, (name, value) in enumerate(rows)
    ]
    ratio = f"ratio {found['ratio']}, " if found["ratio"] is not None else ""
    ends = f"not met ({'; '.join(found['missed'])})" if found["missed"] else "met"
    note = f"{ratio}goal {found['goal']:g}: {ends}; {found['machine']}"
    height = 70 + len(rows) * ROW
    directory.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    (directory / f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="8" y="22" font-weight="bold">{escape(title)}</text>{"".join(lines)}'
        f'<text x="8" y="{height - 12}" font-size="11">{escape(note)}</text></svg>\n'
    )
