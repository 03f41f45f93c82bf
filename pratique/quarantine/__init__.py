"""The hold as pure rules: kinds, marks, retention, scheduled exit. Knows no users and no pages."""
