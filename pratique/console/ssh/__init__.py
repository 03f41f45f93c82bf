"""The operators' command line over SSH."""
