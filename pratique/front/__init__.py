"""What the command pratique does: it alone assembles a role, its stores and its faces."""
