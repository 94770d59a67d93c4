"""The `desk` command."""
