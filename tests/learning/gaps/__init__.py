"""Tests of the gaps in the knowledge."""
