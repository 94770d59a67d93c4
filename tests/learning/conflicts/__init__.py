"""Tests of passages that say the same, or that disagree."""
