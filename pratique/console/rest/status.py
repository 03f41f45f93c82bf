"""/health: for a monitor without a sign-in the bare state, with one the numbers."""

from typing import Any

from pratique.console.commands import status as commands
from pratique.console.commands.parts import LinkState
from pratique.console.commands.status import Health
from pratique.console.rest import shapes
from pratique.console.rest.request import Answer, Call, answer
from pratique.console.rest.shapes import render


async def get_health(call: Call) -> Answer:
    """State of the appliance."""
    person = await call.person_if_any()
    call.query.done()
    if person is None:
        state = await commands.bare_state(call.desk)
        return Answer(200 if state == "ok" else 503, render({"data": {"status": state}}))
    return answer({"data": described(call, await commands.health(call.desk, person))})


def described(call: Call, health: Health) -> dict[str, Any]:
    desk = call.desk
    return {
        "status": health.status,
        "reasons": list(health.reasons),
        "name": desk.name,
        "role": desk.role,
        "version": desk.version,
        "lastCommit": health.committed,
        "freeBytes": health.free_bytes,
        "counters": health.counters,
        "gauges": health.gauges,
        "quarantines": {
            name: {"messages": count, "bytes": octets} for name, (count, octets) in health.quarantines.items()
        },
        "links": [link(state, desk.clock.now_ms()) for state in health.links],
    }


def link(state: LinkState, now_ms: int) -> dict[str, Any]:
    return {
        "destination": state.destination,
        "peer": state.peer,
        "up": state.up,
        "lastError": state.last_error,
        "nextAttempt": shapes.date(state.next_attempt_ms) if state.next_attempt_ms > now_ms else None,
        "waiting": state.waiting,
        "connections": state.connections,
    }
