"""The peer: two private Debian Postfix instances, A relays over TLS to B, B holds. Tuned as a careful admin would."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsproxy  unix  - - n - 0 tlsproxy
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""
COMMON = """\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}.bench.example
mydestination =
relay_domains = static:ALL
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
disable_dns_lookups = yes
in_flow_delay = 0
default_process_limit = 200
maillog_file = {base}/maillog
maillog_file_prefixes = {base}
"""
FIRST = """\
relayhost = [127.0.0.1]:{next_port}
smtp_tls_security_level = encrypt
smtp_tls_connection_reuse = yes
smtp_destination_concurrency_limit = 50
relay_destination_concurrency_limit = 50
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
"""
SECOND = """\
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {base}/cert.pem
smtpd_tls_key_file = {base}/key.pem
"""
HOLD = "smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks, reject\n"


class PostfixPair:
    """A on `port`, B on `port + 1`. `first_holds`: A holds, too, until `release`."""

    def __init__(self, base: Path, port: int, *, first_holds: bool = False) -> None:
        self._base = base
        self._first = FIRST + (HOLD if first_holds else "")
        self._port = port
        self._names = ("a", "b")

    def start(self) -> None:
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.mkdir(parents=True)
        self._base.chmod(0o755)
        self._instance("b", self._port + 1, SECOND + HOLD)
        _certificate(self._base / "b")
        self._instance("a", self._port, self._first)
        for name in ("b", "a"):
            self._postfix(name, "start")

    def _instance(self, name: str, port: int, extra: str) -> None:
        base = self._base / name
        for part in ("etc", "spool", "data"):
            (base / part).mkdir(parents=True)
        os.chown(base / "data", pwd.getpwnam("postfix").pw_uid, -1)
        text = (COMMON + extra).format(base=base, name=name, next_port=self._port + 1)
        (base / "etc" / "main.cf").write_text(text)
        (base / "etc" / "master.cf").write_text(MASTER.format(port=port))
        self._postfix(name, "check")

    def _postfix(self, name: str, command: str) -> None:
        subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self._base / name / "etc"), command], check=True, capture_output=True
        )

    def held(self) -> int:
        """Messages in B's hold queue."""
        return sum(1 for p in (self._base / "b" / "spool" / "hold").rglob("*") if p.is_file())

    def clear(self, name: str = "b") -> None:
        """Empty the queues of A or B between rounds."""
        subprocess.run(
            ["/usr/sbin/postsuper", "-c", str(self._base / name / "etc"), "-d", "ALL"], check=True, capture_output=True
        )

    def release(self) -> None:
        """A lets go what it holds, and relays it to B."""
        config = str(self._base / "a" / "etc")
        subprocess.run(["/usr/sbin/postsuper", "-c", config, "-H", "ALL"], check=True, capture_output=True)
        self._postfix("a", "flush")

    def stop(self) -> None:
        for name in self._names:
            try:
                self._postfix(name, "stop")
            except subprocess.CalledProcessError:
                continue  # it did not run


def _certificate(base: Path) -> None:
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "30", "-subj", "/CN=localhost", "-keyout", str(base / "key.pem"), "-out", str(base / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip


def installed() -> bool:
    return Path("/usr/sbin/postfix").exists() and os.geteuid() == 0


def wait_until_up(port: int) -> None:
    import socket

    deadline = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                if sock.recv(64).startswith(b"220"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing answers on port {port}")
