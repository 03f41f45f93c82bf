"""Users, pass phrases, sessions, roles."""
