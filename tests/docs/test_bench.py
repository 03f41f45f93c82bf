"""The bars have their rows and pictures, no row says more than its figures do, and a goal that is missed is told."""

import json
import re
from typing import Any

import pytest

from bench.bars import BARS, bar_of
from tests.docs.pages import ROOT

RESULTS: dict[str, dict[str, Any]] = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
COLUMNS = {"ours", "peer", "ratio", "goal", "met", "pairs", "machine"}


def test_every_bar_has_a_row_and_a_picture() -> None:
    assert {name.split()[0] for name in BARS} == {"P1", "P2", "P3", "P4", "P5", "P7", "P9", "P10"}
    assert set(BARS) <= set(RESULTS)
    drawn = {path.stem for path in (ROOT / "bench" / "plots").glob("*.svg")}
    assert drawn == {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in RESULTS}


@pytest.mark.parametrize("title", RESULTS)
def test_a_row_says_what_its_figures_say(title: str) -> None:
    row = RESULTS[title]
    assert row.keys() >= COLUMNS
    judged = bar_of(title).judged(row)
    assert (row["met"], row["missed"], row["goal"]) == (judged["met"], judged["missed"], judged["goal"])


@pytest.mark.parametrize(
    ("name", "found", "missed"),
    [
        ("P3 durable accept", {"ratio": 11.0, "aiosmtpd_ratio": 2.0}, ["aiosmtpd_ratio is 2, 2.5 at least"]),
        ("P9 durable calls a message", {"ours": 0.1, "octets_ratio": 1.69}, ["octets_ratio is 1.69, 1.5 at most"]),
        ("P10 restart, seconds", {"ours": 0.9, "not_once": 1}, ["not_once is 1, 0 at most"]),
        ("P10 restart, seconds", {"ours": 0.9}, ["not_once was not measured, 0 at most"]),
        ("P2 processor time, ms", {"ratio": 8.0}, []),
    ],
)
def test_all_that_a_bar_asks_counts(name: str, found: dict[str, Any], missed: list[str]) -> None:
    judged = BARS[name].judged(found)
    assert (judged["missed"], judged["met"]) == (missed, not missed)
