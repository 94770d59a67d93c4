"""Promises kept by a whole desk: real processes, real signals, a real browser."""
