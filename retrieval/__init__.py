"""Finding the evidence for a reply: embeddings, indexes, the four sources, intents, confidence, ingestion."""
