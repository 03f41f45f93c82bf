"""What the verbs of the queues ask of a running gateway or manager. Adapters, like acts.py: no rule is made here."""

from dataclasses import dataclass

from pratique.delivery.routes import CPQ_HOST, RELEASE_HOST
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager


@dataclass(frozen=True, slots=True)
class GatewayQueues:
    gateway: Gateway

    def wake(self, host: str) -> int:
        told = 0
        if host in ("", CPQ_HOST) and self.gateway.link is not None:
            self.gateway.link.hello_again()
            told += 1
        if host != CPQ_HOST:
            told += self.gateway.deliverer.retry_now(host)
        return told


@dataclass(frozen=True, slots=True)
class ManagerQueues:
    manager: Manager

    def wake(self, host: str) -> int:
        if host not in ("", RELEASE_HOST):
            return 0
        for link in self.manager.links.values():
            link.hello_again()
        return len(self.manager.links)
