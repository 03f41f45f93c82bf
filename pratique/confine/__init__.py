"""What a process that reads hostile octets shuts itself out of: files, ports, privileges. For good, by the kernel."""
