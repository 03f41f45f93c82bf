"""How a manager, which delivers no mail, sends its alerts: the deliverer that gateways have, over the manager's own
store, with routes of its own (decision 0025).

Its queue holds nothing but alerts: no other move of a manager makes deliveries.
"""

from pratique.delivery.bounce import Notices
from pratique.delivery.routes import Routes
from pratique.mail.body import DigestDiffers, proved
from pratique.net.resolver import Resolver
from pratique.runner.alerts.alerts import Alerts
from pratique.runner.alerts.settings import ManagerAlertSettings
from pratique.runner.deliverer import Deliverer
from pratique.runner.jobs import Answered, Job, Outgoing
from pratique.runner.services import Services
from pratique.runner.settings import DeliverySettings
from pratique.store.records import Copy, NewCopy

EVERY_DOMAIN = "ALL"


class AlertPost:
    """The mailroom of that deliverer, and both together."""

    def __init__(self, services: Services, settings: ManagerAlertSettings) -> None:
        self._services = services
        self.resolver = Resolver(settings.nameservers)
        self.deliverer = Deliverer(
            services,
            settings=DeliverySettings(tls=settings.tls),
            routes=routes_of(settings),
            resolver=self.resolver,
            mailroom=self,
        )
        self.alerts = Alerts(services, settings, offer=self.deliverer.offer)

    def use(self, settings: ManagerAlertSettings) -> None:
        """Recipients and hosts from the next alert on; TLS and name servers from the next start on."""
        self.alerts.use(settings)
        self.deliverer.use(routes_of(settings))
        self.deliverer.retry_now()

    def start(self) -> None:
        """What waits is tried at once: whoever starts an appliance anew may have mended the way."""
        self.deliverer.load()
        self.deliverer.retry_now()
        self.alerts.take_up()

    # --- what the deliverer asks
    def compose(self, copy: Copy, job: Job) -> Outgoing:
        """The letter as it was written. Raises OSError when the spool has another."""
        if copy.extent is None:
            raise OSError("the body has been let go")
        try:
            body = proved(self._services.store.spool.open(copy.extent, copy.sha256))
        except DigestDiffers as error:
            raise OSError(f"CORRUPT: {error}") from error
        return Outgoing(copy.envelope, body.size, body.pieces())

    def notice(self, copy: Copy, answers: tuple[Answered, ...], notices: Notices) -> tuple[NewCopy, ...]:
        return ()  # the sender of an alert is null

    def finished(self, mid: int, *, row: bool) -> None:
        self.alerts.finished(mid)


def routes_of(settings: ManagerAlertSettings) -> Routes:
    """To the hosts of the configuration, or by MX. Raises RouteError."""
    return Routes({EVERY_DOMAIN: list(settings.hosts)} if settings.hosts else {})
