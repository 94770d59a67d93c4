"""Ticket histories of other desks: taken in, learned from, and replayed to see what this desk would have drafted."""
