"""The bars: how each is measured, and every figure that must hold for it to be reached."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench import accept, life, link, p1
from bench.client import CLIENTS, Load

Found = dict[str, Any]
TWENTY, HUNDRED = Load(20, 10_240, 6_000, 800), Load(100, 10_240, 8_000, 800)


@dataclass(frozen=True)
class Goal:
    figure: str
    bound: float
    less: bool = False  # less is better

    def missed(self, found: Found) -> str:
        """ "" when it is reached, else what was asked and what was found."""
        figure = found.get(self.figure)
        if figure is not None and (figure <= self.bound if self.less else figure >= self.bound):
            return ""
        said = "was not measured" if figure is None else f"is {figure:g}"
        return f"{self.figure} {said}, {self.bound:g} at {'most' if self.less else 'least'}"


@dataclass(frozen=True)
class Bar:
    """`goals`: all must hold; the first is the one that the picture shows."""

    measure: Callable[[argparse.Namespace], Found]
    goals: tuple[Goal, ...]

    def judged(self, found: Found) -> Found:
        """With what every row has, and `missed`: the goals that do not hold, in words."""
        missed = [said for goal in self.goals if (said := goal.missed(found))]
        row = {"peer": None, "ratio": None, "pairs": 1} | found
        return row | {"goal": self.goals[0].bound, "met": not missed, "missed": missed}


@cache
def _both_sides(load: Load, pairs: int, edges: int, rows: int, client: str) -> Found:
    return p1.run(load, pairs, edges=edges, rows=rows, send=CLIENTS[client])


def _whole_path(load: Load, ratio: float) -> Bar:
    return Bar(lambda asked: _both_sides(load, *_how(asked)), (Goal("ratio", ratio),))


def _how(asked: argparse.Namespace) -> tuple[int, int, int, str]:
    return asked.pairs, asked.edges, asked.rows, asked.client


def processor_time(whole_path: Found) -> Found:
    """P2 out of a run of P1: processor milliseconds a message over both appliances, and those of the Postfix pair."""
    return {
        "ours": whole_path["ours_cpu_ms"],
        "peer": whole_path["peer_cpu_ms"],
        "ratio": whole_path["cpu_ratio"],
        "pairs": whole_path["pairs"],
    }


BARS: dict[str, Bar] = {
    "P1 10 KB, 20 sessions": _whole_path(TWENTY, 8.0),
    "P1 10 KB, 100 sessions": _whole_path(HUNDRED, 12.0),
    "P1 2 KB, 20 sessions": _whole_path(Load(20, 2_048, 6_000, 800), 7.0),
    "P1 100 KB, 20 sessions": _whole_path(Load(20, 102_400, 2_000, 400), 4.5),
    "P2 processor time, ms": Bar(
        lambda asked: processor_time(_both_sides(TWENTY, *_how(asked))),
        (Goal("ratio", 8.0),),
    ),
    "P3 durable accept": Bar(
        lambda asked: accept.run(HUNDRED, asked.pairs, edges=asked.edges, send=CLIENTS[asked.client]),
        (Goal("ratio", 10.0), Goal("aiosmtpd_ratio", 2.5)),
    ),
    "P4 hand-off": Bar(
        lambda asked: link.hand_over(asked.messages(10_000), 10_240, asked.pairs), (Goal("ratio", 0.5),)
    ),
    "P5 release": Bar(
        lambda asked: link.release(asked.messages(50_000), asked.messages(4_000), asked.pairs),
        (Goal("ratio", 20.0), Goal("not_once", 0, less=True)),
    ),
    "P7 idle sessions, MiB": Bar(
        lambda asked: life.idle(5_000, edges=asked.edges), (Goal("ours", 64.0, less=True),)
    ),
    "P9 durable calls a message": Bar(
        lambda asked: life.writes(2_000, HUNDRED),
        (Goal("ours", 0.25, less=True), Goal("octets_ratio", 1.5, less=True)),
    ),
    "P10 restart, seconds": Bar(
        lambda asked: life.restart(asked.messages(100_000)),
        (Goal("ours", 1.0, less=True), Goal("not_once", 0, less=True)),
    ),
}  # fmt: skip


def bar_of(title: str) -> Bar:
    """Of a row of the results: the bar's name, and behind a comma how it was run."""
    return next(bar for name, bar in BARS.items() if f"{title},".startswith(f"{name},"))
