"""Two reviewers who work through the quarantine over REST, as its mails' subjects tell them, while everything breaks.

Mail to be contested is released by one and deleted by the other. What REST confirmed in full is noted: it must be true
for ever after.
"""

import copy
import threading
from collections import defaultdict
from http.client import HTTPException

from tests.chaos.mails import fate_of
from tests.chaos.site import REVIEWERS, Housed

BATCH = 25
PAUSE_SECONDS = 0.3
KEEP = "hold-keep"


class Reviewer(threading.Thread):
    def __init__(self, manager: Housed, name: str) -> None:
        super().__init__(daemon=True)
        self._manager = copy.copy(manager)  # the same process, another user
        self._manager.user = name
        self._deletes = name == REVIEWERS[1]
        self._stop_wanted = threading.Event()
        self.confirmed: dict[int, str] = {}  # MID -> "release" or "delete"
        self.acts = 0
        self.failed = 0  # calls that broke or were refused
        self.left = -1  # what waits for a decision, by the last whole list; -1 while there is none

    def run(self) -> None:
        while not self._stop_wanted.wait(PAUSE_SECONDS):
            try:
                self._round()
            except (OSError, HTTPException, AssertionError, ValueError):
                self.failed += 1
                self.left = -1

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join(60)

    def _round(self) -> None:
        due: defaultdict[str, list[int]] = defaultdict(list)
        for row in self._manager.held():
            fate = fate_of(row["attributes"]["subject"])
            if fate != KEEP:
                due[self._action(fate)].append(row["mid"])
        self.left = sum(map(len, due.values()))
        for action, mids in due.items():
            for start in range(0, len(mids), BATCH):
                self._act(action, mids[start : start + BATCH])

    def _action(self, fate: str) -> str:
        if fate == "hold-contest":
            return "delete" if self._deletes else "release"
        return "delete" if fate == "hold-delete" else "release"

    def _act(self, action: str, mids: list[int]) -> None:
        """A batch in which the other reviewer was quicker counts for fewer: then nothing is noted."""
        self.acts += 1
        done = self._manager.release(mids) if action == "release" else self._manager.delete(mids)
        if done == len(mids):
            self.confirmed |= dict.fromkeys(mids, action)
