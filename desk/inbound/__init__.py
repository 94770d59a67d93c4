"""What comes in from outside systems: received raw, read afterwards, made messages of tickets."""
