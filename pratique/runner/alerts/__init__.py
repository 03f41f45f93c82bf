"""Alerts by mail: which events raise one, who gets it, how often it is repeated, and how it leaves."""
