"""Appliances that know each other: enrolment, identities, keys."""
