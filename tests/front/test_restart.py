"""What needs a restart is named by its option; what is in force at once is not."""

from dataclasses import replace

from pratique.front.options import GatewayOptions, InterfaceSettings, ManagerOptions
from pratique.front.restart import LIVE, needs_restart
from pratique.gateway.settings import GatewaySettings, HostAccess, Listener
from pratique.manager.settings import ManagerSettings
from pratique.runner.settings import CpqSettings, DeliverySettings
from pratique.telemetry.settings import LogSettings

IN, OUT = Listener(name="In"), Listener(name="Out", port=26)
RUNNING = GatewayOptions(gateway=GatewaySettings(listeners=(IN, OUT)))


def test_each_option_is_named_and_listeners_by_name() -> None:
    moved = replace(OUT, port=27, connections_max=5)
    wanted = replace(
        RUNNING, gateway=GatewaySettings(listeners=(moved, Listener(name="New")), edges=2), cpq=CpqSettings(port=7026)
    )
    assert set(needs_restart(RUNNING, wanted)) == {
        "gateway.listeners.In goes",
        "gateway.listeners.New comes",
        "gateway.listeners.Out.port",
        "gateway.listeners.Out.connections_max",
        "gateway.edges",
        "cpq.port",
    }


def test_what_is_live_is_not_named() -> None:
    stricter = replace(IN, hosts=(HostAccess("10.0.0.1", "REJECT"),))
    wanted = replace(
        RUNNING,
        gateway=GatewaySettings(listeners=(OUT, stricter)),
        delivery=DeliverySettings(smtproutes=("ALL 192.0.2.1",), tls="must"),
        log=LogSettings(keep_files=3),
        interfaces=(InterfaceSettings("A", "192.0.2.1"),),
    )
    assert needs_restart(RUNNING, wanted) == []
    assert needs_restart(RUNNING, RUNNING) == []
    assert needs_restart(ManagerOptions(), ManagerOptions(manager=ManagerSettings(pool_bytes=5))) == []
    assert needs_restart(ManagerOptions(), ManagerOptions(manager=ManagerSettings(expiry_seconds=5))) == [
        "manager.expiry_seconds"
    ]


def test_every_live_option_is_one() -> None:
    from pratique.config import describe

    keys = {row.key.replace("[]", "") for cls in (GatewayOptions, ManagerOptions) for row in describe(cls)}
    assert keys >= LIVE
