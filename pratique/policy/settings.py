"""The options of mail policy: which recipients it covers, which engines it asks, what their answers lead to."""

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


def options(make: Any, doc: str) -> Any:
    return field(default_factory=make, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class VirusPolicy:
    enabled: bool = option(True, "Ask the virus engines.")
    infected: str = option(
        "quarantine",
        "What an infected message meets: quarantine, drop, deliver.",
        choices=("quarantine", "drop", "deliver"),
    )
    encrypted: str = option(
        "quarantine",
        "What an attachment meets that only a password opens, so no engine read it: quarantine, drop, deliver.",
        choices=("quarantine", "drop", "deliver"),
    )
    unscannable: str = option(
        "quarantine", "What a message meets that no engine could read: quarantine, drop, deliver."
    )


@dataclass(frozen=True, slots=True)
class OutbreakPolicy:
    enabled: bool = option(True, "Hold mail that an outbreak rule matches at or above the threshold.")
    threshold: int = option(3, "Threat level from which mail is held, 1 to 5.", min=1, max=5)
    retention_s: int = option(86_400, "How long the Outbreak quarantine may hold it, in seconds.", min=1)


@dataclass(frozen=True, slots=True)
class MailPolicy:
    name: str = option("DEFAULT", "Name, as it stands in the mail log.")
    table: str = option(
        "inbound",
        "Which table it belongs to: inbound (public listeners) or outbound (private).",
        choices=("inbound", "outbound"),
    )
    senders: tuple[str, ...] = option((), "Envelope senders covered: a@b.example, @b.example, .b.example; empty = all.")
    recipients: tuple[str, ...] = option((), "Envelope recipients covered, same forms; empty = all.")
    virus: VirusPolicy = options(VirusPolicy, "Virus engines.")
    outbreak: OutbreakPolicy = options(OutbreakPolicy, "Outbreak rules.")


@dataclass(frozen=True, slots=True)
class OutbreakRule:
    id: str = option("", "Identity of the rule, as shown to reviewers.")
    level: int = option(3, "Threat level, 1 to 5.", min=1, max=5)
    condition: str = option("false", "Filter condition that a message must meet, in the filter language.")
    description: str = option("", "What the outbreak is.")
    version: int = option(1, "Rises with every change of the rule.")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    filters: str = option("", "Message filters, in the filter language (or use filters_file).")
    filters_file: str = option("", "File with message filters, relative to the configuration.")
    on_unknown: str = option(
        "quarantine",
        "When a fact that a final or quarantine action depends on cannot be found out: deliver, quarantine (in "
        "Unclassified), or the name of a quarantine.",
    )
    policies: tuple[MailPolicy, ...] = option((), "Mail policies, first match wins; a default one covers the rest.")
    outbreak_rules: tuple[OutbreakRule, ...] = option((), "Outbreak rules.")
    scan_bytes_max: int = option(
        8_388_608, "How much of a message content rules read; what lies behind is unknown.", min=1
    )
