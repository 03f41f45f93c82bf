"""Clients that send mail to the gateways, at a pace, and note how each attempt was answered. None is sent twice."""

import itertools
import ssl
import threading

from tests.chaos.mails import Mail
from tests.e2e.talk import Talk
from tests.e2e.world import Appliance

PER_GATEWAY = 8  # sessions; half of them say STARTTLS


class Clients:
    """Every attempt has a number of its own. What a client was told is in `told`: "250", another code, or "" when the
    connection was lost before the answer (RFC 1047: only the gateway knows)."""

    def __init__(self, gateways: tuple[Appliance, ...], *, seed: int, mails: int, seconds: float) -> None:
        self.told: dict[int, str] = {}
        self.seed = seed
        self._numbers = iter(range(mails))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pace = seconds * PER_GATEWAY * len(gateways) / mails
        self._threads = [
            threading.Thread(target=self._run, args=(gateway, bool(n % 2)), daemon=True)
            for n, gateway in itertools.product(range(PER_GATEWAY), gateways)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def accepted(self) -> list[Mail]:
        return [Mail(number, self.seed) for number, code in self.told.items() if code == "250"]

    def _next(self) -> Mail | None:
        with self._lock:
            number = next(self._numbers, None)
        return None if number is None else Mail(number, self.seed)

    def _run(self, gateway: Appliance, secret: bool) -> None:
        while not self._stop.is_set():
            try:
                with gateway.talk() as talk:
                    if self._open(talk, secret) and not self._session(talk):
                        return
            except (OSError, AssertionError):
                pass  # it is down, or the way to it is
            self._stop.wait(0.1)

    def _open(self, talk: Talk, secret: bool) -> bool:
        reply = talk.greeted()
        if secret and reply.startswith("250"):
            talk.starttls(_anyone())
            reply = talk.say("EHLO client.example")
        return reply.startswith("250")

    def _session(self, talk: Talk) -> bool:
        """Send until the connection breaks (True) or nothing is left to send."""
        while not self._stop.wait(self._pace):
            mail = self._next()
            if mail is None:
                return False
            try:
                code = talk.message(mail.sender, list(mail.recipients), mail.octets)[:3]
            except OSError:
                code = ""
            self.told[mail.number] = code
            if not code:
                return True
        return False


def _anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
