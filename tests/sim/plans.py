"""What a seed decides: how long, how much mail, which limits are tight, what goes wrong how often. And the settings of
the appliances, which are the same for all seeds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique.gateway.settings import GatewaySettings, Listener, RecipientAccess
from pratique.manager.settings import ManagerSettings
from pratique.policy.evaluate import Program
from pratique.policy.settings import MailPolicy, OutbreakPolicy, OutbreakRule, PolicySettings, VirusPolicy
from pratique.quarantine.kinds import DefaultAction, Kind, Made
from pratique.runner import deliverer, link, link_journal, link_session, sweep
from pratique.runner.settings import CpqSettings, DeliverySettings

HOUR, DAY = 3600.0, 86_400.0
DESTINATION = "192.0.2.25"
FREES_SPACE = '{"free_space": true}'
FILTERS = """
held: if (subject == "^held ") { quarantine("Policy"); }
secret: if (subject == "^secret ") { quarantine("Secret"); }
brief: if (subject == "^brief ") { quarantine("Brief"); }
two: if (subject == "^two ") { quarantine("Policy"); quarantine("Secret"); }
doubled: if (subject == "^doubled ") { duplicate-quarantine("Secret"); }
dropped: if (subject == "^dropped ") { drop(); }
bounced: if (subject == "^bounced ") { bounce(); }
marked: if (subject == "^marked ") { insert-header("X-Sim-Marked", "yes"); }
"""
QUARANTINES = (
    Made("Secret", Kind.POLICY, 7_200, DefaultAction.RELEASE, deletable=True, assignable=True),
    Made("Brief", Kind.POLICY, 1_800, DefaultAction.DELETE, deletable=True, assignable=True),
)
HELD_FATES = frozenset({"held", "secret", "brief", "two", "outbreak"})  # whatever the engines say
FATES = ("plain", "held", "secret", "brief", "two", "doubled", "dropped", "bounced", "marked", "outbreak", "virus")
FREE = "free.example"  # recipients whose policy delivers what the virus engine finds

# What may be injected at a time: kind -> weight.
TIMED = {
    "crash": 6,
    "power": 2,
    "outage": 2,
    "days": 0.6,
    "partition": 5,
    "disk full": 3,
    "commit full": 4,
    "fatal": 2,
    "unknown commit": 2,
    "slow disk": 3,
    "clock step": 2,
    "scanner": 3,
    "destination": 5,
    "small limit": 3,
    "wrong key": 3,
    "suspended": 2,
    "clean restart": 2,
    "override": 4,
}


@dataclass(frozen=True)
class Plan:
    """Drawn from the seed; a test may replace parts."""

    span: float  # seconds in which mail arrives and things go wrong
    messages: int
    virus: bool
    inline_max: int  # bodies above it are not kept in memory
    pool_bytes: int
    rescan: bool
    alternate: bool
    cut: float  # share of connections that something befalls
    zombie: float  # share of those that are zombies
    spite: float  # how often a zombie's receiver begins to refuse just then
    effects_between_crashes: int  # 0 = crashes come by the clock only
    faults: int  # how many timed faults
    operators: float  # acts per held message
    dribble: float
    sweep_seconds: float
    window_items: int
    refill_items: int
    journal_rows: int
    one_piece_bytes: int
    buffer_bytes: int
    steps_max: int = 400_000  # turns of the loop: more is something that goes round and round
    weights: dict[str, float] = field(default_factory=lambda: dict(TIMED))


def plan_of(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    pick = random.choice
    span = pick((120.0, 600.0, 600.0, HOUR, HOUR, HOUR, 4 * HOUR, 4 * HOUR, DAY))
    return Plan(
        span=span,
        messages=pick((20, 40, 60, 60, 90)),
        virus=random.random() < 0.5,
        inline_max=pick((262_144, 262_144, 2_000)),
        pool_bytes=pick((0, 0, 0, 20_000)),
        rescan=random.random() < 0.7,
        alternate=random.random() < 0.7,
        cut=pick((0.0, 0.05, 0.15, 0.4)),
        zombie=pick((0.1, 0.3, 0.6)),
        spite=pick((0.0, 0.2, 0.5)),
        effects_between_crashes=pick((0, 0, 300, 1_500, 5_000)),
        faults=pick((0, 2, 4, 8, 12)),
        operators=pick((0.7, 1.0, 1.5)),
        dribble=pick((0.0, 0.0, 0.3)),
        sweep_seconds=pick((2.0, 30.0, 300.0)) if span <= HOUR else pick((60.0, 300.0)),
        window_items=pick((2048, 3)),
        refill_items=pick((500, 3)),
        journal_rows=pick((500, 2)),
        one_piece_bytes=pick((1_048_576, 700)),
        buffer_bytes=pick((1 << 20, 1 << 20, 2_000)),
    )


@contextmanager
def limits_of(plan: Plan) -> Iterator[None]:
    """The limits that the product keeps as constants, tight where the plan wants them so."""
    wanted = (
        (sweep, "EVERY_SECONDS", plan.sweep_seconds),
        (link, "WINDOW_ITEMS", plan.window_items),
        (link, "REFILL_ITEMS", plan.refill_items),
        (link_journal, "JOURNAL_ROWS", plan.journal_rows),
        (link_session, "BODY_IN_ONE_PIECE", plan.one_piece_bytes),
        (deliverer, "LOAD_ROWS", max(4, plan.refill_items)),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    for module, name, value in wanted:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def only(plan: Plan, *kinds: str, **changed: Any) -> Plan:
    """The plan with timed faults of these kinds alone."""
    return replace(plan, weights={kind: TIMED[kind] for kind in kinds}, **changed)


# --- settings -----------------------------------------------------------------------------------------------------
def _policy() -> PolicySettings:
    free = MailPolicy(
        name="FREE",
        recipients=(f"@{FREE}",),
        virus=VirusPolicy(infected="deliver", unscannable="deliver"),
        outbreak=OutbreakPolicy(enabled=False),
    )
    default = MailPolicy(outbreak=OutbreakPolicy(retention_s=3_600))
    rule = OutbreakRule(id="sim-1", level=4, condition='subject == "^outbreak "')
    return PolicySettings(filters=FILTERS, policies=(free, default), outbreak_rules=(rule,))


@cache
def program() -> Program:
    return Program.compile(_policy(), frozenset({"Policy", "Virus", "Outbreak", "Unclassified", "Secret", "Brief"}))


def gateway_settings(plan: Plan, address: str) -> GatewaySettings:
    listener = Listener(
        address=address, tls="no", recipients=(RecipientAccess("ALL"),), reverse_dns=False, connections_per_address=1000
    )
    return GatewaySettings(
        listeners=(listener,), policy=_policy(), quarantines=("Policy", "Secret", "Brief"), keep_days=400
    )  # the ledger reads the rows at the end


def delivery_settings(address: str) -> DeliverySettings:
    return DeliverySettings(
        smtproutes=(f"ALL {DESTINATION}:25",), interface_ip=address, nameservers=("192.0.2.53",), tls="no"
    )


def cpq_settings(address: str) -> CpqSettings:
    return CpqSettings(address=address, source=address)


def manager_settings(plan: Plan, alternate: str) -> ManagerSettings:
    return ManagerSettings(
        pool_bytes=plan.pool_bytes,
        alternate_release_gateway=alternate if plan.alternate else "",
        rescan=("virus",) if plan.rescan else (),
    )


@cache
def signing_key(*, wrong: bool = False) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(b"wrong" if wrong else b"right").digest())


@cache
def public_key(*, wrong: bool = False) -> str:
    from base64 import b64encode

    raw = signing_key(wrong=wrong).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b64encode(raw).decode()
