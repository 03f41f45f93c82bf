"""In a process of its own: what it took from itself is gone for good."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.confine.landlock import NET_ABI, landlock_abi

needs_landlock = pytest.mark.skipif(landlock_abi() < NET_ABI, reason="needs a kernel with Landlock, 6.7 or later")

CONFINED = """
import json, os, socket, sys, tempfile
from pratique.confine.landlock import Confines, confine, interpreter
read, write, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
found = {"lacking": confine(Confines(read=(*interpreter(), read, "no such file"), write=(write,), connect=(port,)))}

def tried(name, act):
    try:
        found[name] = act()
    except OSError as error:
        found[name] = error.strerror or str(error)

def scratch():
    with tempfile.TemporaryFile(dir=write, buffering=0) as file:
        file.write(b"unpacked")
        return open(f"/proc/self/fd/{file.fileno()}", "rb").read().decode()

def taken_over():
    os.link(os.path.join(read, "lent"), os.path.join(write, "lent"))
    open(os.path.join(write, "lent"), "w").write("changed")
    return "written"

tried("read", lambda: open(os.path.join(read, "lent")).read())
tried("write what is lent", lambda: open(os.path.join(read, "lent"), "a").write("x"))
tried("take it over", taken_over)
tried("elsewhere", lambda: open(os.path.join(os.path.dirname(read), "secret")).read())
tried("list elsewhere", lambda: os.listdir(os.path.dirname(read)))
tried("scratch", scratch)
tried("named port", lambda: socket.create_connection(("127.0.0.1", port), 5).recv(5).decode())
tried("other port", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[4])), 5) and "connected")
tried("listen", lambda: socket.create_server(("127.0.0.1", 0)) and "listening")
tried("signal", lambda: os.kill(os.getppid(), 0) or "sent")
tried("memory of others", lambda: open(f"/proc/{os.getppid()}/environ").read() and "read")
tried("library", lambda: __import__("sqlite3").connect(":memory:").execute("SELECT 1").fetchone()[0])
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
found["privileges"] = int(status["CapEff"].strip(), 16)
print(json.dumps(found))
"""


@needs_landlock
def test_a_confined_process_reaches_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    read, write = tmp_path / "read", tmp_path / "write"
    read.mkdir()
    write.mkdir()
    (read / "lent").write_text("lent")
    (tmp_path / "secret").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(one.getsockname()[1]) for one in (named, other)]
        process = subprocess.Popen(
            [sys.executable, "-c", CONFINED, str(read), str(write), *ports], stdout=subprocess.PIPE, text=True
        )
        client, _ = named.accept()
        with client:
            client.send(b"hello")
            output = process.communicate(timeout=30)[0]
    found = json.loads(output)
    denied, forbidden = os.strerror(13), os.strerror(1)
    assert found == {
        "lacking": "",
        "read": "lent",
        "write what is lent": denied,
        "take it over": os.strerror(18),
        "elsewhere": denied,
        "list elsewhere": denied,
        "scratch": "unpacked",
        "named port": "hello",
        "other port": denied,
        "listen": found["listen"],
        "signal": forbidden,
        "memory of others": denied,
        "library": 1,
        "privileges": 0,
    }
    assert denied in found["listen"]
    assert (read / "lent").read_text() == "lent"


def test_a_kernel_without_it_is_said_and_the_process_goes_on() -> None:
    program = (
        "import pratique.confine.landlock as l\n"
        "l._CREATE_RULESET = 100_000\n"  # a system call that no kernel has
        "print(l.confine(l.Confines()))\n"
        "print(open('/proc/self/status').read(5))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("the kernel has no Landlock")
    assert done.stdout.endswith("Name:\n")


HERE = """
import sys
from pratique.confine.landlock import Confines, confine, interpreter
confine(Confines(read=interpreter()))
import html.parser, json.tool
try:
    print(open("secret").read())
except OSError as error:
    print(error.strerror)
"""


@needs_landlock
def test_the_working_directory_is_none_of_the_interpreters_places(tmp_path: Path) -> None:
    """`python -m` looks for modules there first; a service starts in the directory that holds the keys."""
    (tmp_path / "secret").write_text("key")
    (tmp_path / "probe.py").write_text(HERE)
    words = [sys.executable, "-m", "probe"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Permission denied\n"
