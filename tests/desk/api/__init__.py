"""The contract of the JSON API, over a real database."""
