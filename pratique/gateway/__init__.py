"""The gateway role: receive, judge, hand over to quarantine, take releases back."""
