"""`make chaos T=300`: real processes under kill -9, partitions and lost replies; then the ledger. One JSON line; exit
status 0 when nothing was lost, doubled or altered.
"""

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.chaos import network
from tests.chaos.clients import Clients
from tests.chaos.destination import Destination
from tests.chaos.faults import Cutter, Killer
from tests.chaos.ledger import Books, Ledger, audit_is_whole, forgotten_acts, offered_again
from tests.chaos.reviewers import Reviewer
from tests.chaos.site import OUTSIDE, REVIEWERS, Site
from tests.e2e.world import SMTP_PORT, until

RATE = 100  # mails a second, all clients together
MAILS_MAX = 30_000
DRAIN_SECONDS = 120.0
SHOWN_MAX = 20  # differences that are printed


class Run:
    def __init__(self, site: Site, *, seconds: float, mails: int, seed: int) -> None:
        self.site = site
        self.seconds = seconds
        self.seed = seed
        keys = site.gateways[0].directory / "keys"
        self.destination = Destination(
            site.network.address(OUTSIDE), SMTP_PORT, seed=seed, certificate=keys / "web.crt", key=keys / "web.key"
        )
        self.clients = Clients(site.gateways, seed=seed, mails=mails, seconds=seconds)
        self.reviewers = [Reviewer(site.manager, name) for name in REVIEWERS]
        self.killer = Killer(site, seed=seed)
        self.cutter = Cutter(site.network, seed=seed)

    def work(self) -> None:
        """Everything at once, for the time that was asked for."""
        threads = [self.clients, *self.reviewers, self.killer, self.cutter]
        for thread in threads:
            thread.start()
        threading.Event().wait(self.seconds)
        self.cutter.stop()
        self.killer.stop()
        self.clients.stop()

    def drain(self) -> float:
        """No faults any more: everything comes to its end. How long that took."""
        began = time.monotonic()
        until(self._all_ready, DRAIN_SECONDS, "all appliances ready again")
        until(self._drained, DRAIN_SECONDS, "everything drained")
        for reviewer in self.reviewers:
            reviewer.stop()
        return time.monotonic() - began

    def _all_ready(self) -> bool:
        return all(appliance.ready() for appliance in self.site.appliances)

    def _drained(self) -> bool:
        threading.Event().wait(0.2)
        if any(reviewer.left for reviewer in self.reviewers):
            return False
        open_ = sum(
            gateway.count("delivery WHERE state IN ('DUE', 'DOT')")
            + gateway.count("copy WHERE custody IN ('RECEIVED', 'Q', 'X')")
            + gateway.count("transfer WHERE state IN ('Q', 'X')")
            for gateway in self.site.gateways
        )
        return not open_ and not self.site.manager.count("copy WHERE custody IN ('REL', 'RELD')")


def evaluate(run: Run) -> dict[str, Any]:
    """The figures; `wrong` says what is not as it must be."""
    site, ledger = run.site, Ledger()
    ledger.enter(
        Books(run.clients.told, run.seed, run.destination.arrivals, site.gateways, site.manager, run.killer.left_in_dot)
    )
    differences, inner = ledger.differences(), ledger.inner_duplicates()
    border, unexplained = ledger.border_duplicates()
    told = list(run.clients.told.values())
    figures: dict[str, Any] = {
        "accepted": told.count("250"),
        "answer_lost": told.count(""),
        "refused": len(told) - told.count("250") - told.count(""),
        "recipients_owed": ledger.count("owed"),
        "places": ledger.places(),
        "kills": dict(run.killer.kills),
        "partitions": run.cutter.partitions,
        "reply_cuts": run.cutter.cuts,
        "connections_broken": run.cutter.broken,
        "handed_over_again": offered_again(site.appliances),
        "acts": sum(r.acts for r in run.reviewers),
        "acts_failed": sum(r.failed for r in run.reviewers),
        "ledger_differences": len(differences),
        "inner_duplicates": len(inner),
        "border_duplicates": border,
        "border_duplicates_unexplained": len(unexplained),
    }
    figures["wrong"] = [
        *(f"{address}: {what}" for address, what in differences),
        *(f"{address}: {times} rows at hop {hop}" for address, hop, times in inner),
        *(f"{a}: came {n} times, {m} marked, {lost} answers lost" for a, n, m, lost in unexplained),
        *forgotten_acts(site.manager, run.reviewers),
        *run.killer.died,
        *(f"{a.name}: the audit has gaps" for a in site.appliances if not audit_is_whole(a)),
        *site.faults(),
    ]
    if not (run.killer.kills and run.cutter.broken and figures["places"].keys() >= {"delivered", "held", "deleted"}):
        figures["wrong"].append("the run proves nothing: no kill, no broken connection, or a fate without mail")
    return figures


def chaos(base: Path, *, seconds: float, mails: int, seed: int) -> dict[str, Any]:
    site = Site(base)
    try:
        site.build()
        site.start()
        run = Run(site, seconds=seconds, mails=mails, seed=seed)
        run.work()
        try:
            drained = run.drain()
        except AssertionError as error:
            return {**evaluate(run), "wrong": [str(error), *evaluate(run)["wrong"]]}
        codes = site.stop()
        run.destination.close()
        figures = evaluate(run)
        figures["wrong"] += [f"{place} ended with {code}" for place, code in codes.items() if code]
        return {"seconds": seconds, "seed": seed, "drain_seconds": round(drained, 1), **figures}
    finally:
        site.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--mails", type=int, default=0, help="at most; 0 = 100 a second, 30,000 at the most")
    parser.add_argument("--seed", type=int, default=0, help="of mails and faults; 0 = by the clock")
    parser.add_argument("--keep", action="store_true", help="leave the appliances' directories behind")
    arguments = parser.parse_args()
    try:
        network.check()
    except network.CannotRun as why:
        print(f"chaos cannot run: {why}", file=sys.stderr)
        return 2
    seed = arguments.seed or int(time.time())
    mails = arguments.mails or min(MAILS_MAX, int(RATE * arguments.seconds))
    base = Path(tempfile.mkdtemp(prefix="pratique-chaos-"))
    try:
        figures = chaos(base, seconds=arguments.seconds, mails=mails, seed=seed)
    finally:
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    wrong = figures.pop("wrong")
    for line in wrong[:SHOWN_MAX]:
        print(line, file=sys.stderr)
    print(json.dumps({"chaos": "failed" if wrong else "ok", **figures, "wrong": len(wrong)}))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
