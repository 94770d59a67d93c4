"""The schema, one revision a file."""
