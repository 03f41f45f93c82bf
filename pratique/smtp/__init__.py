"""SMTP as two sans-I/O state machines (RFC 5321). Bytes in, events out; no socket, no policy."""
