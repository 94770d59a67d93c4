"""Outside systems, one folder each, every one the adapter of a port in `desk.ports`."""
