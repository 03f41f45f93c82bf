"""Fact gatherers: virus engines, content. Each says what it found or why it could not; none decides."""
