"""The configuration file of an appliance, whole: one dataclass for each role."""

from dataclasses import dataclass, field
from typing import Any

from pratique.gateway.settings import GatewaySettings
from pratique.manager.settings import ManagerSettings
from pratique.runner.alerts.settings import AlertSettings, ManagerAlertSettings
from pratique.runner.settings import CpqSettings, DeliverySettings
from pratique.store.settings import StoreSettings
from pratique.telemetry.settings import LogSettings


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


def options(make: Any, doc: str) -> Any:
    return field(default_factory=make, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The REST API."""

    address: str = option("0.0.0.0", "Address on which the REST API listens.")
    port: int = option(443, "Its port.", min=1, max=65535)
    enabled: bool = option(True, "Serve it.")


@dataclass(frozen=True, slots=True)
class SshSettings:
    """The operators' command line over SSH."""

    address: str = option("0.0.0.0", "Address on which the operators' command line listens for SSH.")
    port: int = option(2222, "Its port; leave 22 to the machine's own SSH server if it has one.", min=1, max=65535)
    enabled: bool = option(True, "Serve it.")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Which parts of the appliance have a process of their own; `gateway.edges` has those that take mail."""

    console: bool = option(False, "REST API and command line over SSH in a process that reaches no key, row or spool.")


@dataclass(frozen=True, slots=True)
class ApplianceSettings:
    role: str = option("", "gateway or manager.", choices=("gateway", "manager"))
    name: str = option("", "Host name: greetings, Received lines, logs.")
    serial: str = option("", "Serial number, 20 characters; made by `pratique init`, never changed.")
    cluster_users: bool = option(
        False, "Of a gateway in a cluster: take the users that the cluster shares, with their pass phrases."
    )


@dataclass(frozen=True, slots=True)
class InterfaceSettings:
    """An IP interface: an address of this machine under a name. Always those of one machine."""

    name: str = option("Management", "Name, as listeners, the quarantine port and delivery use it.")
    address: str = option("", "IP address of this machine.")
    hostname: str = option("", "Host name of the address, told to peers in its place; empty = the address is.")


INTERFACES = "IP interfaces by name: what names one listens on, or dials from, its address."


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    appliance: ApplianceSettings = options(ApplianceSettings, "Who this appliance is.")
    interfaces: tuple[InterfaceSettings, ...] = option((), INTERFACES)
    gateway: GatewaySettings = options(GatewaySettings, "The gateway role.")
    cpq: CpqSettings = options(CpqSettings, "The quarantine port: released mail comes back on it.")
    delivery: DeliverySettings = options(DeliverySettings, "Delivery to next hops.")
    web: WebSettings = options(WebSettings, "The REST API.")
    ssh: SshSettings = options(SshSettings, "The operators' command line over SSH.")
    process: ProcessSettings = options(ProcessSettings, "Processes.")
    store: StoreSettings = options(StoreSettings, "Where mail is kept.")
    log: LogSettings = options(LogSettings, "The mail log.")
    alerts: AlertSettings = options(AlertSettings, "Alerts by mail.")


@dataclass(frozen=True, slots=True)
class ManagerOptions:
    appliance: ApplianceSettings = options(ApplianceSettings, "Who this appliance is.")
    interfaces: tuple[InterfaceSettings, ...] = option((), INTERFACES)
    manager: ManagerSettings = options(ManagerSettings, "The manager role.")
    cpq: CpqSettings = options(CpqSettings, "The quarantine port: gateways hand mail over on it.")
    web: WebSettings = options(WebSettings, "The REST API.")
    ssh: SshSettings = options(SshSettings, "The operators' command line over SSH.")
    process: ProcessSettings = options(ProcessSettings, "Processes.")
    store: StoreSettings = options(StoreSettings, "Where mail is kept.")
    log: LogSettings = options(LogSettings, "The mail log.")
    alerts: ManagerAlertSettings = options(ManagerAlertSettings, "Alerts by mail.")


Options = GatewayOptions | ManagerOptions
FILE = "pratique.toml"
