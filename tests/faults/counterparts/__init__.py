"""The other sides: each holds what its customers wrote, calls the desk, and takes its replies into the journal."""
