"""Exact nearest-neighbour search over the vectors of one tenant and source."""

from retrieval.vectors.arena import VectorArena

__all__ = ["VectorArena"]
