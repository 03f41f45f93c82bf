"""The one durable store: spool of bodies, rows of facts, one writer. Knows no rules."""
