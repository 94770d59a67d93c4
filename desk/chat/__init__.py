"""Live conversations: questions that are answered while somebody waits, and handed to a person when they cannot be."""
