"""Pratique: central quarantine for mail."""

__version__ = "0.1.0"
