"""Builds the one ASGI application of an appliance from its faces."""
