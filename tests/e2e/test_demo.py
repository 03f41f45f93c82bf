"""`pratique demo --once`, as the outer contract has it: the whole cycle for every message of a folder."""

import json
import subprocess
import sys
from pathlib import Path


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pratique", "demo", "--once", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_message_comes_back_once_and_octet_for_octet(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    messages = {
        "lf.eml": b"Subject: unix\n\nline\n.\n..\n",
        "mbox.eml": b"From a@b Mon Nov 23 05:00:00 2026\nSubject: mbox\n\nFrom here\n",
        "no-end.eml": b"Subject: no end\r\n\r\nno line end",
        "long.eml": b"Subject: long\n\n" + b"x" * 5000 + b"\n",
        "eight.eml": b"Subject: eight\n\n\xe4\xf6\xfc\n",
        "odd.eml": b"\xffno header at all\n",
        "cr.eml": b"Subject: bare\n\nbare\rcr\n",
        "nul.eml": b"Subject: nul\n\nn\0l\n",
    }
    for name, octets in messages.items():
        (mail / name).write_bytes(octets)
    done = _demo("--mail", str(mail))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert {n: result[n] for n in ("sent", "held", "released", "delivered", "identical")} == dict.fromkeys(
        ("sent", "held", "released", "delivered", "identical"), 6
    )
    assert (result["lost"], result["doubled"], result["changed"]) == (0, 0, 0)
    assert sorted(one["name"] for one in result["refused"]) == ["cr.eml", "nul.eml"]
    assert all(one["reply"].startswith("550 ") for one in result["refused"])


def test_a_folder_without_mail_is_refused(tmp_path: Path) -> None:
    done = _demo("--mail", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no files" in done.stderr and "Traceback" not in done.stderr
