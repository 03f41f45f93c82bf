"""The operators' command line, a family of verbs a file: words in, text out. It knows no transport."""
