"""CPQ: the SMTP extension that moves custody of a message with its metadata. Sans-I/O, both ends."""
