"""Which mail policy covers a recipient: the first of its table whose senders and recipients both match; a policy
named DEFAULT covers the rest. Addresses and domains are compared without case."""

from collections.abc import Sequence
from dataclasses import dataclass

from pratique.policy.settings import MailPolicy
from pratique.policy.syntax import ProgramError

DEFAULT = "DEFAULT"
ADDRESSES_MAX = 100_000  # in one list of one policy
TABLES = ("inbound", "outbound")


@dataclass(frozen=True, slots=True)
class AddressList:
    """a@b.example (one address), a@ (one name anywhere), @b.example (a domain), .b.example (what lies below it)."""

    addresses: frozenset[str]
    names: frozenset[str]
    domains: frozenset[str]
    suffixes: tuple[str, ...]
    everyone: bool

    def holds(self, address: str) -> bool:
        if self.everyone:
            return True
        lower = address.lower()
        if lower in self.addresses:
            return True
        name, _, domain = lower.rpartition("@")
        return domain in self.domains or name in self.names or (bool(self.suffixes) and domain.endswith(self.suffixes))


def parse_addresses(items: Sequence[str], policy: str) -> AddressList:
    """Raises ProgramError."""
    if len(items) > ADDRESSES_MAX:
        raise _error(policy, f"more than {ADDRESSES_MAX} addresses in one list", "cover whole domains by @domain")
    addresses, names, domains, suffixes = set(), set(), set(), []
    for item in items:
        form = item.strip().lower()
        name, at, domain = form.rpartition("@")
        if not at and form.startswith(".") and len(form) > 1:
            suffixes.append(form)
        elif at and name and domain:
            addresses.add(form)
        elif at and domain:
            domains.add(domain)
        elif at and name:
            names.add(name)
        else:
            raise _error(policy, f"{item!r} is no address form", "write a@b.example, @b.example, .b.example or a@")
    return AddressList(frozenset(addresses), frozenset(names), frozenset(domains), tuple(suffixes), not items)


@dataclass(frozen=True, slots=True)
class Covering:
    policy: MailPolicy
    senders: AddressList
    recipients: AddressList


class PolicyTable:
    """The mail policies, in order."""

    __slots__ = ("_default", "_tables")

    def __init__(self, policies: Sequence[MailPolicy]) -> None:
        self._tables: dict[str, list[Covering]] = {table: [] for table in TABLES}
        self._default = {table: MailPolicy(table=table) for table in TABLES}
        for policy in policies:
            if policy.table not in TABLES:
                raise _error(policy.name, f"{policy.table!r} is no table", "write inbound or outbound")
            senders = parse_addresses(policy.senders, policy.name)
            recipients = parse_addresses(policy.recipients, policy.name)
            self._tables[policy.table].append(Covering(policy, senders, recipients))

    def all_policies(self) -> list[MailPolicy]:
        """Every policy that may come to apply."""
        covering = [one.policy for table in self._tables.values() for one in table]
        return [*covering, *self._default.values()]

    def split(self, table: str, sender: str, recipients: Sequence[str]) -> list[tuple[MailPolicy, tuple[int, ...]]]:
        """The recipients by the policy that covers them, in the order in which policies are first met."""
        candidates = [one for one in self._tables.get(table, ()) if one.senders.holds(sender)]
        if not candidates:
            return [(self._default.get(table) or MailPolicy(table=table), tuple(range(len(recipients))))]
        groups: dict[int, tuple[MailPolicy, list[int]]] = {}
        for index, recipient in enumerate(recipients):
            policy = next((one.policy for one in candidates if one.recipients.holds(recipient)), None)
            policy = policy or self._default[table]
            groups.setdefault(id(policy), (policy, []))[1].append(index)
        return [(policy, tuple(indices)) for policy, indices in groups.values()]


def _error(policy: str, why: str, cure: str) -> ProgramError:
    return ProgramError(f"policy {policy}", 1, 1, why, cure)
