"""The web pages. Not built yet."""
