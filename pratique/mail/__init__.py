"""The vocabulary of mail: addresses, envelopes, headers, replies, ids. Pure; knows no protocol state."""
