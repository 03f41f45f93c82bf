"""Named interfaces: who names one has its address; what names none is as before."""

from dataclasses import replace

from pratique.front.interfaces import of_interfaces, with_interfaces
from pratique.front.options import GatewayOptions, InterfaceSettings, ManagerOptions
from pratique.gateway.settings import GatewaySettings, Listener
from pratique.runner.settings import CpqSettings, DeliverySettings

KNOWN = (InterfaceSettings("Management", "192.0.2.1", "gw1.example"), InterfaceSettings("Data 1", "192.0.2.2"))


def gateway(**how: object) -> GatewayOptions:
    return replace(GatewayOptions(), **how)  # type: ignore[arg-type]


def keys(options: GatewayOptions | ManagerOptions) -> list[str]:
    return [key for key, _, _ in of_interfaces(options)]


def test_who_names_an_interface_has_its_address() -> None:
    options = with_interfaces(
        gateway(
            interfaces=KNOWN,
            cpq=CpqSettings(interface="Management"),
            delivery=DeliverySettings(interface="Data 1"),
            gateway=GatewaySettings(listeners=(Listener(interface="Data 1"), Listener(name="B"))),
        )
    )
    assert isinstance(options, GatewayOptions)
    assert (options.cpq.address, options.cpq.announce) == ("192.0.2.1", "gw1.example:7025")
    assert options.delivery.interface_ip == "192.0.2.2"
    named, plain = options.gateway.listeners
    assert (named.address, named.interface) == ("192.0.2.2", "Data 1")
    assert (plain.address, plain.interface) == ("0.0.0.0", "Data 1")
    manager = with_interfaces(ManagerOptions(interfaces=KNOWN, cpq=CpqSettings(interface="Data 1")))
    assert (manager.cpq.address, manager.cpq.announce) == ("192.0.2.2", "")


def test_a_file_without_interfaces_means_what_it_meant() -> None:
    options = gateway(
        cpq=CpqSettings(address="192.0.2.9"), gateway=GatewaySettings(listeners=(Listener(interface="Public"),))
    )
    run = with_interfaces(options)
    assert isinstance(run, GatewayOptions)
    assert (run.cpq.address, run.cpq.interface, run.gateway.listeners[0].interface) == (
        "192.0.2.9",
        "Management",
        "Public",
    )
    assert keys(options) == []


def test_to_define_an_interface_moves_nobody() -> None:
    options = gateway(interfaces=KNOWN, gateway=GatewaySettings(listeners=(Listener(),)))
    assert keys(options) == []
    run = with_interfaces(options)
    assert isinstance(run, GatewayOptions)
    assert run.cpq.address == run.gateway.listeners[0].address == "0.0.0.0"


def test_an_unknown_name_is_refused_with_the_names_that_there_are() -> None:
    options = gateway(
        interfaces=KNOWN,
        cpq=CpqSettings(interface="Managment"),
        delivery=DeliverySettings(interface="x"),
        gateway=GatewaySettings(listeners=(Listener(interface="y"),)),
    )
    assert keys(options) == ["cpq.interface", "delivery.interface", "gateway.listeners.0.interface"]
    _, why, cure = next(of_interfaces(options))
    assert why == 'is "Managment", and there is no such interface'
    assert '"Management", "Data 1"' in cure
    assert keys(gateway(delivery=DeliverySettings(interface="x"))) == ["delivery.interface"]


def test_an_address_beside_a_name_that_is_another_is_refused() -> None:
    options = gateway(interfaces=KNOWN, cpq=CpqSettings(interface="Management", address="192.0.2.7"))
    assert keys(options) == ["cpq.interface"]
    same = gateway(interfaces=KNOWN, cpq=CpqSettings(interface="Management", address="192.0.2.1"))
    assert keys(same) == []


def test_names_and_addresses_of_interfaces_are_checked() -> None:
    wrong = (
        InterfaceSettings("", "192.0.2.1"),
        InterfaceSettings("A", ""),
        InterfaceSettings("A", "192.0.2.1/24"),
        InterfaceSettings("B", "::1"),
    )
    assert keys(gateway(interfaces=wrong)) == [
        "interfaces.0.name",
        "interfaces.1.address",
        "interfaces.2.name",
        "interfaces.2.address",
    ]
