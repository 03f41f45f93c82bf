"""The command `pratique`."""
