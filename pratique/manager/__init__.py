"""The manager role: hold, expire, release."""
