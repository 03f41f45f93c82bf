"""The REST API (docs/rest.md), a face over the commands."""
