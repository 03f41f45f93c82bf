"""Breadth-first search through every reachable state: safety in each, and from each a way to an end (AG EF end)."""

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from proof import handover, recovery, release
from proof.checks import broken, ended, set_aside
from proof.rules import Rules
from proof.state import State

STATES_MAX = 4_000_000  # about 3 GB; a run that meets it has proved nothing and says so


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one run. `error` is "" when everything holds; `trace` leads from the start to the error."""

    error: str
    trace: tuple[str, ...]
    states: int
    edges: int
    seconds: float


def steps(s: State, r: Rules) -> Iterator[tuple[str, State]]:
    yield from handover.client(s, r)
    yield from handover.gateway_sends(s, r)
    yield from handover.gateway_reads(s, r)
    yield from handover.stranger(s, r)
    yield from handover.manager_receives(s, r)
    yield from handover.manager_keeps_house(s, r)
    yield from release.reviewers(s, r)
    yield from release.actor_in_doubt(s, r)
    yield from release.manager_sends(s, r)
    yield from release.manager_reads(s, r)
    for name in ("G", "H"):
        yield from release.release_target(s, r, name)
        yield from release.release_delivered(s, r, name)
    yield from recovery.network(s, r)
    yield from recovery.crashes(s, r)
    yield from recovery.backup(s, r)
    yield from recovery.reconcile(s, r)
    yield from recovery.snapshot(s, r)
    yield from recovery.hears(s, r)
    yield from recovery.adopt(s, r)


class _Graph:
    def __init__(self) -> None:
        self.number: dict[State, int] = {State(): 0}
        self.states: list[State] = [State()]
        self.parent = array("l", [-1])
        self.first_edge = array("l")
        self.edges = array("l")

    def add(self, state: State, parent: int) -> tuple[int, bool]:
        number = self.number.setdefault(state, len(self.states))
        new = number == len(self.states)
        if new:
            self.states.append(state)
            self.parent.append(parent)
        return number, new

    def trace(self, number: int, rules: Rules) -> tuple[str, ...]:
        """The labels on the way to a state, found again by walking it."""
        path = [number]
        while self.parent[path[-1]] >= 0:
            path.append(self.parent[path[-1]])
        path.reverse()
        labels = []
        for before, after in pairwise(path):
            wanted = self.states[after]
            labels.append(next(label for label, s in steps(self.states[before], rules) if s == wanted))
        return tuple(labels)


def _row(missing: KeyError) -> str:
    return " + ".join(str(part) for part in missing.args[0])


def _explore(graph: _Graph, rules: Rules) -> tuple[str, int]:
    """(error, state) of the first broken promise, ("", 0) when there is none."""
    at = 0
    while at < len(graph.states):
        state = graph.states[at]
        graph.first_edge.append(len(graph.edges))
        try:
            for _, after in steps(state, rules):
                if after is state:
                    continue
                number, new = graph.add(after, at)
                graph.edges.append(number)
                if new:
                    error = broken(after, rules)
                    if error:
                        return error, number
        except KeyError as missing:
            return f"UNDEFINED: a table has no row for {_row(missing)}", at
        if len(graph.states) > STATES_MAX:
            return f"TOO MANY STATES: more than {STATES_MAX}", at
        at += 1
    return "", 0


def _stuck(graph: _Graph) -> int:
    """A state from which no end can be reached, -1 when there is none. Sweeps backwards until nothing changes: states
    are numbered by distance, so most of them are settled by the first sweep."""
    good = bytearray(ended(s) or set_aside(s) for s in graph.states)
    first = [*graph.first_edge, len(graph.edges)]
    changed = True
    while changed:
        changed = False
        for number in range(len(good) - 1, -1, -1):
            if not good[number] and any(good[to] for to in graph.edges[first[number] : first[number + 1]]):
                good[number] = True
                changed = True
    return good.find(0)


def search(rules: Rules) -> Found:
    started = time.perf_counter()
    graph = _Graph()
    error, at = _explore(graph, rules)
    if not error:
        at = _stuck(graph)
        error = "STUCK: no end can be reached from here" if at >= 0 else ""
    return Found(
        error=error,
        trace=graph.trace(at, rules) if error else (),
        states=len(graph.states),
        edges=len(graph.edges),
        seconds=time.perf_counter() - started,
    )
