"""The command line over SSH. Not built yet."""
