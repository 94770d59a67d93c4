"""Questions that no source answered, as people look at them, and the knowledge that is made from their answers."""
