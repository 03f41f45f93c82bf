"""Named IP interfaces: whoever names one has its address.

Where no interface is defined a name stands in the mail log and means nothing else, as in files of older versions.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import replace

from pratique.front.options import GatewayOptions, InterfaceSettings, Options
from pratique.runner.settings import CpqSettings

Finding = tuple[str, str, str]  # option, why, cure
EVERYWHERE = ("", "0.0.0.0", "::")  # addresses that leave the choice to an interface
LISTENER_NAME, CPQ_NAME = "Data 1", "Management"  # as the log has them where nothing is named


def with_interfaces(options: Options) -> Options:
    """The options as the appliance runs by them: addresses in place of names. Names that are unknown stay."""
    if isinstance(options, GatewayOptions):
        return gateway_with_interfaces(options)
    known = {one.name: one for one in options.interfaces}
    return replace(options, cpq=_quarantine_port(options.cpq, known))


def gateway_with_interfaces(options: GatewayOptions) -> GatewayOptions:
    """As with_interfaces."""
    known = {one.name: one for one in options.interfaces}
    listeners = tuple(
        replace(one, address=_address(one.address, one.interface, known), interface=one.interface or LISTENER_NAME)
        for one in options.gateway.listeners
    )
    delivery = options.delivery
    source = _address(delivery.interface_ip, delivery.interface, known)
    return replace(
        options,
        cpq=_quarantine_port(options.cpq, known),
        gateway=replace(options.gateway, listeners=listeners),
        delivery=replace(delivery, interface_ip=source),
    )


def _quarantine_port(cpq: CpqSettings, known: dict[str, InterfaceSettings]) -> CpqSettings:
    """On its interface, and told to peers by the interface's host name."""
    found = known.get(cpq.interface)
    address = _address(cpq.address, cpq.interface, known)
    host = found.hostname if found is not None else ""
    announce = cpq.announce or (f"{host}:{cpq.port}" if host else "")
    return replace(cpq, address=address, announce=announce, interface=cpq.interface or CPQ_NAME)


def _address(given: str, interface: str, known: dict[str, InterfaceSettings]) -> str:
    return known[interface].address if interface in known else given


def users_of(options: Options) -> dict[str, tuple[str, str]]:
    """Option that names an interface -> the name, and the address that is given beside it."""
    users = {"cpq.interface": (options.cpq.interface, options.cpq.address)}
    if isinstance(options, GatewayOptions):
        users["delivery.interface"] = (options.delivery.interface, options.delivery.interface_ip)
        for number, listener in enumerate(options.gateway.listeners):
            users[f"gateway.listeners.{number}.interface"] = (listener.interface, listener.address)
    return users


def of_interfaces(options: Options) -> Iterator[Finding]:
    """What is wrong with interfaces and with those who name them."""
    known: dict[str, InterfaceSettings] = {}
    for number, one in enumerate(options.interfaces):
        key = f"interfaces.{number}"
        if not one.name or not one.name.isprintable() or one.name != one.name.strip():
            yield f"{key}.name", f"is {one.name!r}", "write letters, digits and blanks"
        elif one.name in known:
            yield f"{key}.name", f"is {one.name!r}, as that of another one is", "give every interface its own name"
        known[one.name] = one
        if not _is_address(one.address):
            why = f"is {one.address!r}, which is no IP address" if one.address else "is missing"
            yield f"{key}.address", why, "write one address of this machine, as in 192.0.2.1"
    for key, (name, given) in users_of(options).items():
        if not name or not (known or key == "delivery.interface"):
            continue
        if name not in known:
            names = ", ".join(f'"{one}"' for one in known) or "none yet"
            why = f'is "{name}", and there is no such interface'
            yield key, why, f"add an [[interfaces]] table of that name, or name one that there is ({names})"
        elif given not in (*EVERYWHERE, known[name].address):
            why = f'is "{name}", which has {known[name].address}, and the address beside it is {given}'
            yield key, why, "take the address or the interface out: one of them says it"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
