"""Replays ticket histories in time order and says what the desk would have drafted."""
