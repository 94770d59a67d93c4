"""The FAQ lane: which published FAQ a question asks for, and whether that is sure enough to answer without a person."""
