"""cpqstatus: the one verb that other appliances may use, over SSH with the key that they were enrolled with."""

from pratique.console.access.roles import Permission
from pratique.console.commands import peer_signin
from pratique.console.commands.peer_signin import Place
from pratique.console.verbs.verb import Call, Usage, verb


@verb("cpqstatus", Permission.MACHINE, usage="cpqstatus [--json]")
async def cpqstatus(call: Call) -> None:
    """Show where this appliance takes mail from the others: interface and port of the quarantine port.

    Managers ask it over SSH before they send released mail.
    """
    if call.words:
        raise Usage("no word is taken")
    place = await peer_signin.cpq_status(call.desk, call.person)
    call.give(place.as_json(), lambda: _text(place))


def _text(place: Place) -> str:
    takes = f"suspended ({place.suspended})" if place.suspended else "takes mail"
    return "\n".join(
        (
            f"Appliance: {place.name} ({place.role}, {place.serial})",
            f"Interface: {place.interface}",
            f"Address: {place.host} port {place.port}",
            f"State: {takes if place.listening else 'does not listen'}",
        )
    )
