"""The operators' faces over one command registry."""
