"""Power fails at every instant of a recorded life: nothing acknowledged is lost, nothing is done twice without a name.

`python -m proof.durable.powerloss [quick] [--states N] [--mutant NAME]`. One JSON line at the end.
The full size ends with the sample of crashfs.py. Exit: 0 held, 1 violated, 2 wrong usage, 3 not runnable here (the text
says what to install), 4 all held but the sample could not be run here.
"""

import argparse
import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from proof.durable import crashfs, mutants, points, recovery, shim
from proof.durable.disk import Disk, Mode, State
from proof.durable.recording import Recording, mark, record, rows_digest
from proof.durable.recovery import Heard, run_check
from proof.durable.scenarios import prepare
from proof.durable.shim import Op, Unavailable
from proof.durable.workers import scratch, spread
from proof.durable.world import build

STATES, SECONDS, WORKERS = 10_000, 1_200.0, 2
QUICK_STATES, QUICK_SECONDS = 250, 50.0
THOROUGH_EVERY = 8
SHOWN_MAX = 20
LIVES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("deliver", "bounce", "transfer", "release"), "new"),
    (("delete", "deliver"), "held"),
    (("start", "release"), "killed"),
    (("found",), "bare"),
)


def recordings(mutant: str) -> list[Recording]:
    """The lives, in a world that is gone afterwards."""
    base = scratch()
    flag = base / "recording"

    def heard(recipients: list[str]) -> None:
        if flag.exists():
            for recipient in recipients:
                mark(base / "gateway.log", f"arrived {recipient}")

    world = build(base, 240, heard)
    try:
        prepare(world)
        if mutant:
            broken = mutants.POWER[mutant]
            return record(world, (broken.scenario,), mutate=broken.change, failed_sync=broken.failed_sync)
        lives = [r for names, saved in LIVES for r in record(world, names, saved=saved)]
        lives += record(world, ("deliver",), failed_sync=True)
    finally:
        world.kill()
        world.hop.close()
        shutil.rmtree(base)
    return lives


def first_digest(state: State) -> str:
    """Of the rows that a life begins with."""
    if "store/store.db" not in state:
        return ""
    base = scratch()
    try:
        recovery.write(state, base / "first")
        with closing(sqlite3.connect(base / "first" / "store" / "store.db")) as db:
            return rows_digest(db)
    finally:
        shutil.rmtree(base)


def _work(lives: list[Recording], each: int, mutant: str) -> Any:
    """One task is one recording and a share of its instants."""

    def make(directory: Path, number: int) -> Any:
        if mutant:
            mutants.POWER[mutant].change()
        runner = asyncio.Runner()
        seen: set[str] = set()

        def act(task: list[int]) -> dict[str, Any]:
            life, share, shares = lives[task[0]], task[1], task[2]
            return examine(life, runner, directory / "state", seen, task[0], share, shares, each)

        return act

    return make


def examine(
    life: Recording, runner: asyncio.Runner, place: Path, seen: set[str], index: int, share: int, shares: int, each: int
) -> dict[str, Any]:
    disks = [Disk(life.before, mode) for mode in Mode]
    heard = Heard(life.role, first_digest(life.before))
    states, wrong, equal, instants = [], [], 0, 0
    for at, entry in enumerate(life.entries):
        steps = [disk.step(entry) for disk in disks]
        if entry.op is Op.MARK:
            heard.hear(entry.path)
        elif not any(steps):
            continue
        instants += 1
        if instants % shares != share:
            continue
        for disk in disks:
            for turn in range(each):
                chance = random.Random(f"{index} {at} {disk.mode.value} {turn}")
                state = disk.found(chance)
                key = _key(life, state)
                if key in seen and entry.op is not Op.MARK:
                    equal += 1
                    continue
                seen.add(key)
                states.append(key)
                recovery.write(state, place)
                thorough = len(states) % THOROUGH_EVERY == 0
                found = run_check(runner, place, life.serial, heard, thorough=thorough)
                if found:
                    where = f"{life.role}, {life.name}, after entry {at} ({entry.op.name.lower()} {entry.path}), "
                    wrong.append([f"{where}{disk.mode.value} {turn}", found])
    return {"states": states, "wrong": wrong, "equal": equal, "instants": instants, "name": f"{life.role}: {life.name}"}


def _key(life: Recording, state: State) -> str:
    digest = hashlib.sha256(f"{life.role} {life.name}".encode())
    for path in sorted(state):
        digest.update(f"{path} {len(state[path])} ".encode())
        digest.update(hashlib.sha256(state[path]).digest())
    return digest.hexdigest()[:24]


def run(wanted: int, seconds: float, mutant: str = "") -> dict[str, Any]:
    began = time.monotonic()
    points.warm()
    lives = recordings(mutant)
    changes = sum(len(life.entries) for life in lives)
    each = max(1, round(wanted * 2.4 / changes)) if wanted > changes else 1
    shares = max(1, round(changes * 2 * each / wanted / 2.2)) if wanted < changes else 1
    tasks = [[n, share, 4 * shares] for n in range(len(lives)) for share in range(4)]
    left = seconds - (time.monotonic() - began)
    results = list(spread(tasks, _work(lives, each, mutant), workers=WORKERS, seconds=left))
    distinct = {key for result in results for key in result["states"]}
    wrong = [one for result in results for one in result["wrong"]]
    for where, found in wrong[:SHOWN_MAX]:
        print(f"VIOLATED: {where}: {'; '.join(found)[:600]}", flush=True)
    kinds = Counter(text.split(":")[0] for _, found in wrong for text in found)
    figures = {
        "states": len(distinct),
        "opened": sum(len(result["states"]) for result in results),
        "equal_and_left_out": sum(result["equal"] for result in results),
        "lives": len(lives),
        "calls": sum(entry.op is not Op.MARK for life in lives for entry in life.entries),
        "instants": sum({r["name"]: r["instants"] for r in results}.values()),
        "lost": kinds.get("LOST", 0),
        "doubled": kinds.get("DOUBLED", 0) + kinds.get("DOUBLED without a name", 0),
        "undone": kinds.get("UNDONE", 0),
        "violations": len(wrong),
        "left_out_for_time": len(tasks) - len(results),
        "seconds": round(time.monotonic() - began, 1),
    }
    figures["good"] = not wrong and not figures["left_out_for_time"] and len(distinct) >= wanted
    return figures


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="powerloss", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("size", nargs="?", choices=("quick", "full"), default="full")
    parser.add_argument("--states", type=int, default=0, help="how many states; default by size")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long at the most")
    parser.add_argument(
        "--mutant", choices=sorted(mutants.POWER), default="", help="a product that is broken on purpose"
    )
    given = parser.parse_args(arguments)
    quick = given.size == "quick"
    try:
        shim.preloaded(arguments, "proof.durable.powerloss")
    except Unavailable as why:
        print(f"not run: {why}", file=sys.stderr)
        return 3
    wanted = given.states or (QUICK_STATES if quick else STATES)
    figures = run(wanted, given.seconds or (QUICK_SECONDS if quick else SECONDS), given.mutant)
    code = 0
    if not quick and not given.mutant:
        try:
            figures["mounted"] = crashfs.sample()
            figures["good"] = figures["good"] and figures["mounted"]["good"]
        except Unavailable as why:
            print(f"the sample on a mounted file system was not run: {why}", file=sys.stderr)
            figures["mounted"] = f"not run: {why}"
            code = 4
    print(json.dumps({"powerloss": figures}))
    return code if figures["good"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
