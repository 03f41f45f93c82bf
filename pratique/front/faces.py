"""The operators' faces of a running appliance."""

from pratique.front.appliance import Appliance


class Faces:
    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return
