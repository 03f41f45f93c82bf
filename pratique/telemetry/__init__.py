"""Typed events and where they go: the mail log, its JSON twin, counters. Decides nothing."""
