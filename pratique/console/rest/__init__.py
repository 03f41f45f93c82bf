"""The REST API (contract/rest.md), a face over the commands."""
