"""The asyncio edge: listeners, connections, TLS, clock, resolver. Knows no SMTP grammar."""
