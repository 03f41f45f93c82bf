"""Operator acts: one typed function each, with one permission and one audit event."""
