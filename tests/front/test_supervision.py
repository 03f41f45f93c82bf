"""Every component of a running pair dies once, at its seam; each is said, restarted and shown, and mail flows."""

from pathlib import Path
from typing import Any

from pratique.front.appliance import Appliance
from pratique.front.doctor import check_components
from pratique.manager.app import Manager
from pratique.runner.supervisor import Component, Life
from tests.front.pair import pair, until


def _seams(appliance: Appliance) -> dict[str, tuple[Any, str]]:
    """Component -> the object and the name of what it calls in each round."""
    role = appliance.role
    found: dict[str, tuple[Any, str]] = {
        "alerts": (role.alerts, "round"),
        "sweeper": (role.sweeper, "sweep"),
        "watch over what lasts": (appliance.watch, "look"),
        "log flush": (appliance.mail_log, "flush"),
    }
    if isinstance(role, Manager):
        found["scheduled exits"] = (role.expirer, "sweep")
        found |= {f"link to {serial}": (link, "_session") for serial, link in role.links.items()}
    elif role.link is not None:
        found[f"link to {role.link.serial}"] = (role.link, "_session")
    return found


def _dies_once(thing: Any, name: str) -> None:
    whole, died = getattr(thing, name), False

    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal died
        if not died:
            died = True
            raise KeyError(name)
        return whole(*args, **kwargs)

    class Seam(type(thing)):  # type: ignore[misc]
        __slots__ = ()

    setattr(Seam, name, staticmethod(once))
    thing.__class__ = Seam


async def test_each_component_that_dies_is_started_again_and_mail_flows(tmp_path: Path) -> None:
    async with pair(tmp_path) as world:
        await world.start()
        await world.send("before")
        await world.handed_over(1)
        for place in (world.manager, world.gateway):
            appliance = place.appliance
            for thing, name in _seams(appliance).values():
                _dies_once(thing, name)
            if isinstance(appliance.role, Manager):
                appliance.role.expirer.make_room_soon()
            appliance.role.break_off()  # links dial anew
        await world.send("after")
        await world.handed_over(2)
        await world.decide("after")

        def shown(place: Any) -> dict[str, Component]:
            return {one.name: one for one in place.appliance.services.supervisor.components()}

        for place in (world.manager, world.gateway):
            wanted = set(_seams(place.appliance)) - {"scheduled exits"}

            def still() -> list[str]:
                found = shown(place)  # noqa: B023 - called at once
                return [n for n in wanted if not found[n].restarts or found[n].life is not Life.RUNNING]  # noqa: B023

            try:
                await until(lambda: not still(), seconds=20)
            except AssertionError:
                raise AssertionError(f"{place.role}: not started again: {still()}") from None
            for name in wanted:
                assert place.grep(rf"Warning: An application fault occurred: {name} ended \(KeyError"), name
        await until(lambda: world.delivered() == ["after"], "the released mail arrives")


def test_the_doctor_names_what_does_not_run() -> None:
    def told(*components: Component) -> Any:
        from dataclasses import asdict

        return check_components({"components": [asdict(one) for one in components]})

    assert told().state == "skipped"
    fine = Component("sweeper", Life.RUNNING, 0)
    assert (told(fine).state, told(fine).found) == ("ok", "1 run")
    again = Component("SSH", Life.RUNNING, 0, restarts=2, last_error="OSError: its listener has closed")
    assert (told(fine, again).state, "SSH 2 times" in told(fine, again).found) == ("warning", True)
    down = Component("SSH", Life.WAITING, 0, restarts=2, last_error="OSError: in use")
    assert told(fine, down).failed and "SSH (OSError: in use)" in told(fine, down).found
    assert told(fine, down).cure
