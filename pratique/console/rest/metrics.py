"""/metrics: the numbers of the appliance in the text format of Prometheus (docs/operate/monitoring.md).

A view of the counters that /health and the mail log have; none of its own. Labels are bounded: custody, state, names
of quarantines, names and serials of peers. Nothing that came with mail is a label: destinations are summed up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from pratique.console.commands import metrics as commands
from pratique.console.commands.desk import Desk
from pratique.console.commands.metrics import Measured
from pratique.console.commands.parts import LinkState
from pratique.console.rest.request import Answer, Call

COUNTED = {  # counter -> HELP
    "connections_in": "SMTP connections accepted",
    "connections_refused": "SMTP connections refused",
    "tls_failed": "TLS handshakes that failed, of either direction",
    "received": "Messages received",
    "recipients": "Recipients of received messages",
    "refused": "Recipients refused",
    "aborted": "Receptions that did not end",
    "generated": "Messages made by the appliance itself",
    "unjudged": "Messages that were not judged in time",
    "infected": "Messages with a virus",
    "unscannable": "Messages that the virus scanner could not read",
    "dropped": "Messages dropped by policy",
    "held": "Holds: one for each quarantine of a message",
    "enqueued": "Messages queued for the manager or the gateway",
    "taken_over": "Messages that a manager took over from gateways",
    "returned": "Messages that a gateway got back from its manager",
    "released": "Messages released",
    "deleted": "Messages deleted",
    "queued": "Messages queued for delivery",
    "connections_out": "SMTP connections made",
    "connections_failed": "SMTP connections that could not be made",
    "delivered": "Recipients delivered",
    "bounced": "Recipients given up",
    "bounced_dns": "Recipients given up because of DNS",
    "bounced_5xx": "Recipients given up because the next host refused them",
    "bounced_filter": "Recipients given up because a filter bounced the message",
    "bounced_expired": "Recipients given up after the last attempt",
    "bounced_other": "Recipients given up for another reason",
    "recipients_deleted": "Recipients deleted by a person",
    "delayed": "Recipients put off to a later attempt",
    "transferred": "Messages transferred to or from the central quarantine",
    "bounces_made": "Bounce messages made",
    "canary_returned": "Canaries that came back",
    "canary_lost": "Canaries that did not come back",
    "faults": "Faults in the mail log",
    "alarms": "Alarms in the mail log",
}
MEDIA_TYPE = "text/plain; version=0.0.4"  # the framework adds the charset
ALERTS = "alerts."  # before class, severity and outcome
CLOCK_GAUGE = "clock_ahead_ms."  # before the serial of the peer


@dataclass(frozen=True, slots=True, eq=False)  # a registry keeps it by identity
class Numbers(Collector):
    """One reading, as metrics."""

    desk: Desk
    measured: Measured

    def collect(self) -> Iterator[Metric]:
        yield from self._appliance()
        yield from self._store()
        yield from self._links()
        yield from self._components()
        counters = self.measured.health.counters
        yield _alerts(counters)
        for name, text in COUNTED.items():
            yield CounterMetricFamily(f"pratique_{name}", f"{text}, since the process began.", counters.get(name, 0))

    def _appliance(self) -> Iterator[Metric]:
        measured, desk = self.measured, self.desk
        about = GaugeMetricFamily("pratique_build_info", "Always 1.", labels=["name", "role", "version"])
        about.add_metric([desk.name, desk.role, desk.version], 1)
        yield about
        state = GaugeMetricFamily("pratique_state", "1 for the state of the appliance, 0 for others.", labels=["state"])
        for name in ("ok", "degraded", "failed"):
            state.add_metric([name], float(measured.health.status == name))
        yield state
        if measured.started_seconds is not None:
            text = "When the process began, in Unix time."
            yield GaugeMetricFamily("pratique_process_start_time_seconds", text, measured.started_seconds)
        connections = GaugeMetricFamily("pratique_connections", "Open SMTP connections.", labels=["direction"])
        for direction, count in (("in", measured.connections_in), ("out", measured.connections_out)):
            if count is not None:
                connections.add_metric([direction], count)
        yield connections
        numbers = measured.health.counters
        if "last_canary_ok" in numbers:
            text = "1: the last canary came back, 0: it did not."
            yield GaugeMetricFamily("pratique_last_canary_ok", text, numbers["last_canary_ok"])
            text = "How long the last canary took, or was waited for."
            yield GaugeMetricFamily("pratique_last_canary_seconds", text, numbers["last_canary_seconds"])

    def _store(self) -> Iterator[Metric]:
        health = self.measured.health
        text = "Free space above the reserve; at 0 new mail is refused."
        yield GaugeMetricFamily("pratique_spool_free_bytes", text, max(0, health.free_bytes))
        yield GaugeMetricFamily("pratique_committed_number", "The newest committed journal number.", health.committed)
        yield GaugeMetricFamily("pratique_audit_number", "The newest row of the audit.", self.measured.audit_number)
        copies = GaugeMetricFamily("pratique_copies", "Copies in the store by custody.", labels=["custody"])
        for name, count in sorted(health.gauges.items()):
            if name.startswith("copy."):
                copies.add_metric([name.removeprefix("copy.")], count)
        yield copies
        messages = GaugeMetricFamily("pratique_quarantine_messages", "Messages held.", labels=["quarantine"])
        octets = GaugeMetricFamily("pratique_quarantine_bytes", "Octets of messages held.", labels=["quarantine"])
        for name, (count, size) in sorted(health.quarantines.items()):
            messages.add_metric([name], count)
            octets.add_metric([name], size)
        yield from (messages, octets)

    def _links(self) -> Iterator[Metric]:
        labels = ["peer", "serial"]
        up = GaugeMetricFamily(
            "pratique_link_up",
            "1: the peer was reached at the last attempt, 0: not; absent: not tried.",
            labels=labels,
        )
        waiting = GaugeMetricFamily("pratique_link_waiting", "Messages that wait for the peer.", labels=labels)
        oldest = GaugeMetricFamily(
            "pratique_link_oldest_seconds", "Age of the message at the head of the queue; 0: none waits.", labels=labels
        )
        ahead = GaugeMetricFamily(
            "pratique_peer_clock_ahead_seconds", "How far the clock of the peer was ahead at its hello.", labels=labels
        )
        for link in (link for link in self.measured.health.links if link.serial):
            values = [link.peer, link.serial]
            if link.up is not None:
                up.add_metric(values, float(link.up))
            waiting.add_metric(values, link.waiting)
            oldest.add_metric(values, self.measured.oldest_seconds.get(link.serial, 0))
            clock = self.measured.health.counters.get(f"{CLOCK_GAUGE}{link.serial}")
            if clock is not None:
                ahead.add_metric(values, clock / 1_000)
        yield from (up, waiting, oldest, ahead, *self._command_client(), *self._hosts())

    def _command_client(self) -> Iterator[Metric]:
        """A manager's questions over SSH."""
        up = GaugeMetricFamily(
            "pratique_command_client_up",
            "1: the gateway answered over SSH when it was asked last, 0: it did not; absent: not asked.",
            labels=["peer", "serial"],
        )
        fault = GaugeMetricFamily(
            "pratique_command_client_fault", "Always 1: how the asking failed.", labels=["peer", "serial", "kind"]
        )
        age = GaugeMetricFamily(
            "pratique_command_client_answer_seconds", "Age of the last answer.", labels=["peer", "serial"]
        )
        for link in self.measured.health.links:
            if link.asked is None or not link.asked.tried_ms:
                continue
            up.add_metric([link.peer, link.serial], float(not link.asked.kind))
            if link.asked.kind:
                fault.add_metric([link.peer, link.serial, link.asked.kind], 1)
            if link.asked.place is not None:
                age.add_metric([link.peer, link.serial], max(0, self.desk.clock.now_ms() - link.asked.at_ms) / 1_000)
        yield from (up, fault, age)

    def _components(self) -> Iterator[Metric]:
        """The parts that one supervisor restarts."""
        up = GaugeMetricFamily(
            "pratique_component_up", "1: the component runs, 0: it waits to be started again.", labels=["component"]
        )
        restarts = CounterMetricFamily(
            "pratique_component_restarts", "How often it was started again.", labels=["component"]
        )
        for one in self.measured.health.components:
            if one.life != "ended":
                up.add_metric([one.name], float(one.life == "running"))
            restarts.add_metric([one.name], one.restarts)
        yield from (up, restarts)

    def _hosts(self) -> Iterator[Metric]:
        """All destinations that are no peer, together: their names come from mail."""
        hosts = [link for link in self.measured.health.links if not link.serial]
        found = GaugeMetricFamily("pratique_destinations", "Destinations of mail by state.", labels=["state"])
        for state in ("up", "down", "unknown"):
            found.add_metric([state], sum(_state(host) == state for host in hosts))
        yield found
        counts = self.measured.health.gauges
        waiting = sum(count for name, count in counts.items() if name.startswith("host."))
        yield GaugeMetricFamily("pratique_deliveries_waiting", "Recipients that wait for delivery.", waiting)


def _alerts(counters: dict[str, float]) -> Metric:
    found = CounterMetricFamily(
        "pratique_alerts",
        "Alerts raised and suppressed, mails sent and failed, since the process began.",
        labels=["class", "severity", "outcome"],
    )
    for name, count in counters.items():
        if name.startswith(ALERTS):
            found.add_metric(name.removeprefix(ALERTS).split("."), count)
    return found


def _state(link: LinkState) -> str:
    return "unknown" if link.up is None else "up" if link.up else "down"


async def get(call: Call) -> Answer:
    """Numbers for a monitor."""
    person = await call.person()
    call.query.done()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Numbers(call.desk, await commands.metrics(call.desk, person)))
    return Answer(200, generate_latest(registry), media_type=MEDIA_TYPE)
