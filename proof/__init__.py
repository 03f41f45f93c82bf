"""The proof of the hand-off: an explicit-state model that runs the production tables of delivery/custody.py."""
