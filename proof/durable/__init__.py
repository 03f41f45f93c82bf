"""What a disk may do to an appliance: a durable call fails or is the last one (crashpoints), power is lost (powerloss).

Not shipped. It starts the real product on real files and judges it by what it has acknowledged; nothing of the product
is made easier here. Only times are shortened (world.py), and segments of the spool are small.
"""
