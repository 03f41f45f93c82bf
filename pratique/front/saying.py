"""How the commands of the machine speak: what was asked for on standard output, what went wrong on standard error."""

import sys


def say(text: str) -> None:
    print(text)  # noqa: T201


def complain(text: str) -> None:
    print(f"pratique: {text}", file=sys.stderr)  # noqa: T201
