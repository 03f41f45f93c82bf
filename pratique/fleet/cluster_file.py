"""What a member keeps of its cluster: one file in its directory, `cluster.json`, whole or as it was before.

It holds the replicated state and what is of this member alone: who it is, with whom it exchanges nothing, and which
texts of the levels are in force here. A machine without the file is in no cluster.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pratique.config.keeping import remove_file, replace_file
from pratique.fleet.cluster import Cluster, Member
from pratique.fleet.replica import Replica, StateUnreadable, dumps, loads

FILE = "cluster.json"
STATE_BYTES_MAX = 8_388_608  # all texts of all levels; the largest recipient tables have 5 MB


@dataclass(frozen=True, slots=True)
class Membership:
    """`in_force`: feature -> text of a level that this machine uses where its own file sets nothing. `refused`:
    feature -> why the text that it was given is not in force here."""

    ident: str
    state: Replica
    apart: frozenset[str] = frozenset()  # idents of members with which nothing is exchanged; our own: with nobody
    in_force: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.state)

    @property
    def me(self) -> Member:
        member = self.cluster.member(self.ident)
        if member is None:
            raise StateUnreadable(f"{FILE} does not know this machine; remove it and join the cluster again")
        return member


def read(directory: Path) -> Membership | None:
    """None: in no cluster. Raises StateUnreadable, OSError."""
    try:
        text = (directory / FILE).read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        whole = json.loads(text)
        membership = Membership(
            str(whole["member"]),
            loads(whole["state"]),
            frozenset(map(str, whole["apart"])),
            _texts(whole["in_force"]),
            _texts(whole["refused"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{FILE} cannot be read ({error}); put it back from a backup, or remove it and join the cluster again"
        raise StateUnreadable(why) from error
    assert membership.me
    return membership


def write(directory: Path, membership: Membership) -> None:
    """Durable on return. Raises OSError; the file is then as it was, or the new one, but never a part of one."""
    whole = {
        "member": membership.ident,
        "apart": sorted(membership.apart),
        "in_force": dict(membership.in_force),
        "refused": dict(membership.refused),
        "state": dumps(membership.state),
    }
    replace_file(directory / FILE, json.dumps(whole, sort_keys=True, indent=1) + "\n")


def remove(directory: Path) -> None:
    """This machine is in no cluster any more. Durable on return. Raises OSError."""
    remove_file(directory / FILE)


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()}
