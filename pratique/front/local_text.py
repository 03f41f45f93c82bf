"""The machine's own commands as text for a terminal. What came from mail is escaped: it may hold terminal controls."""

import html
from collections.abc import Iterable
from typing import Any

from pratique.mail.text import log_text

SUBJECT_CHARS = 48
ADDRESS_CHARS = 36
HEADER_LINES = 60


def listing(found: dict[str, Any]) -> str:
    return _queue(found) if found["role"] == "gateway" else _held(found)


def _held(found: dict[str, Any]) -> str:
    rows = [("MID", "Received", "From", "To", "Quarantines", "Subject")]
    for row in found["data"]:
        a = row["attributes"]
        to = a["recipient"][0] if a["recipient"] else ""
        more = f" +{len(a['recipient']) - 1}" if len(a["recipient"]) > 1 else ""
        rows.append(
            (
                str(row["mid"]),
                a["received"].removesuffix(" (GMT +00:00)"),
                cut(a["sender"] or "<>", ADDRESS_CHARS),
                cut(to, ADDRESS_CHARS) + more,
                cut(a["inQuarantines"], ADDRESS_CHARS),
                cut(a["subject"], SUBJECT_CHARS),
            )
        )
    total = found["meta"]["totalCount"]
    shown = len(found["data"])
    end = f"{total} held" if shown == total else f"{total} held, {shown} shown; use --json and --offset for the rest"
    return f"{table(rows)}\n{end}" if shown else "nothing is held"


def _queue(found: dict[str, Any]) -> str:
    rows = [("Host", "Waiting", "State", "Last error")]
    for link in found["hosts"]:
        name = f"{link['destination']} ({link['peer']})" if link["peer"] else link["destination"]
        state = {True: "up", False: "down", None: "not tried"}[link["up"]]
        rows.append((cut(name, 60), str(link["waiting"]), state, cut(link["last_error"] or "-", 80)))
    text = [table(rows) if len(rows) > 1 else "nothing waits"]
    if found["own"]:
        own = [("MID", "State", "From", "To", "Subject", "Why")]
        for copy in found["own"]:
            to = copy["recipients"][0] if copy["recipients"] else ""
            own.append(
                (
                    str(copy["mid"]),
                    copy["state"],
                    cut(copy["sender"] or "<>", ADDRESS_CHARS),
                    cut(to, ADDRESS_CHARS),
                    cut(copy["subject"], SUBJECT_CHARS),
                    cut(copy["error"] or "-", 60),
                )
            )
        text += ["", "Copies that need a person (LOC: `pratique release` delivers, `pratique delete` gives up):", ""]
        text.append(table(own))
    if not found["complete"]:
        text.append("there are more than this listing looked at")
    return "\n".join(text)


def message(found: dict[str, Any]) -> str:
    a = found["attributes"]
    lines = [f"MID {found['mid']}"]
    for hold in a["quarantineDetails"]:
        reasons = ", ".join(hold["reason"])
        lines.append(
            f"  in {cut(hold['quarantineName'], 60)} ({cut(reasons, 200)}) since {hold['received']}, "
            f"until {hold['scheduledExit']}; from {cut(hold['esaHostName'], 80)}"
        )
    lines.append(f"  sender     {cut(a['messageDetails']['sender'] or '<>', 320)}")
    lines += [f"  recipient  {cut(r, 320)}" for r in a["messageDetails"]["recipient"][:20]]
    for part in a["messagePartDetails"]:
        lines.append(f"  part {part['attachmentId']}: {cut(part['attachmentName'], 120)}  {part['attachmentSize']}")
    lines.append("")
    headers = html.unescape(a["headers"].replace("<br>", "\n")).split("\n")
    lines += [log_text(line) for line in headers[:HEADER_LINES]]
    return "\n".join(lines)


def people(found: list[dict[str, Any]]) -> str:
    rows = [("Name", "Role", "Signs in", "Quarantines")]
    for user in found:
        names = ", ".join(user["quarantines"]) or "-"
        rows.append((cut(user["name"], 64), user["role"], "no" if user["disabled"] else "yes", cut(names, 120)))
    return table(rows) if found else "there are no users"


def decided(word: str, done: dict[str, Any]) -> str:
    text = f"{done['acted']} {word}"
    if done["untouched"]:
        mids = ", ".join(map(str, done["untouched"][:20]))
        text += f"; not there or decided already: MID {mids}"
    return text


def cut(text: str, length: int) -> str:
    safe = log_text(text)
    return safe if len(safe) <= length else safe[: length - 3] + "..."


def table(rows: Iterable[tuple[str, ...]]) -> str:
    found = list(rows)
    widths = [max(len(row[at]) for row in found) for at in range(len(found[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in found
    )
