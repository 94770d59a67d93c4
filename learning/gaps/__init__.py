"""Questions that no source answered, brought together with others like them."""
