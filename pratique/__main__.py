"""The command `pratique`: parses and calls `front`."""

import sys


def main() -> None:
    from pratique.front.command import run_command

    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
