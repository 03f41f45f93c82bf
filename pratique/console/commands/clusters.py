"""What the commands of a cluster ask of a running gateway. The implementation is front/clusters.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pratique.config.levels import Feature
from pratique.fleet.cluster import Author, Cluster, Contact, Member
from pratique.fleet.cluster_file import Membership
from pratique.fleet.cluster_link import Standing


class Clusters(Protocol):
    """Everything that changes something is durable on return, and raises ClusterRefused, OSError."""

    @property
    def membership(self) -> Membership | None:
        """None: in no cluster."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def client_key(self) -> Path: ...

    def standing(self, ident: str) -> Standing:
        """How it stands with a member."""
        ...

    def author(self, by: str) -> Author: ...

    def usual_address(self) -> str:
        """By which others reach this machine, when nobody says another."""
        ...

    def contact(self, address: str, port: int) -> Contact:
        """What the others must know of us; "" and 0: as the configuration has it."""
        ...

    async def create(self, name: str, contact: Contact, by: str) -> None: ...

    async def change(self, change: Callable[[Cluster], Cluster], by: str) -> Cluster: ...

    async def enter(self, text: str, by: str) -> str:
        """What a member answered to our wish to join; the cluster's name."""
        ...

    async def admit(self, token: str, by: str) -> str:
        """Take a machine in; the answer for it."""
        ...

    async def leave(self, by: str) -> None: ...

    async def set_apart(self, idents: frozenset[str]) -> None: ...

    def blank(self, feature: str) -> str:
        """The text of a feature that is made new."""
        ...

    @property
    def takes_users(self) -> bool:
        """Whether this machine takes the users that the cluster shares."""
        ...

    def shares_user(self, name: str) -> bool:
        """Whether the user is one of those."""
        ...

    def users_refused(self) -> dict[str, str]:
        """Shared users that are not taken up here, and why."""
        ...

    async def sync_users(self) -> None:
        """Take up and tell what changed, now."""
        ...

    def lacking(self, member: Member) -> list[tuple[str, str]]:
        """(feature, interface) of what comes down to a member and names an interface that it has not, as it last
        said."""
        ...

    def knows(self, key: str) -> bool: ...

    async def answer(self, key: str, command: str, sent: str) -> str:
        """What a member hears over SSH."""
        ...
