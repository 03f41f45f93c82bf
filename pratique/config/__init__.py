"""Option files: reading, checking with file and line, writing, documenting. Knows no room's options."""
