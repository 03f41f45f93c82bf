"""Does the store agree with itself: rows with rows, rows with the spool, the spool with what was accepted."""
