"""The other sides: each holds its customers' messages, calls the desk, and takes the desk's replies into the journal."""
