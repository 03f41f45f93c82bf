"""Pure evaluation: facts in, decision with its explanation out. No DNS, no scanners, no I/O."""
