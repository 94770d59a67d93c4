"""Passages of the knowledge that say the same, or that disagree."""
