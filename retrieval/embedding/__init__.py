"""Texts to vectors: the local model, and the cache in front of any embedder."""
