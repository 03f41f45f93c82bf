"""Writes the conformance vectors of CPQ beside itself (format: README.md): `python -m tests.vectors.make`.

Nothing of the program is imported: octets, digests and expected replies are put down by hand in `generator`, so that
the vectors check both ends of the program and can check a foreign one. A test compares the files with what this writes.
"""

import json
from pathlib import Path

from tests.vectors.generator import broken, dialogues, faults, framing, hello, metadata, start, verdicts

FILES = {
    "start": start.CASES,
    "hello": hello.CASES,
    "dialogues": dialogues.CASES,
    "verdicts": verdicts.CASES,
    "faults": faults.CASES,
    "framing": framing.CASES,
    "broken": broken.CASES,
    "metadata": metadata.CASES,
}


def file_text(name: str) -> str:
    return json.dumps({"format": 1, "cases": FILES[name]}, indent=1) + "\n"


if __name__ == "__main__":
    for each in FILES:
        (Path(__file__).parent / f"{each}.json").write_text(file_text(each), encoding="ascii")
