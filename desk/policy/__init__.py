"""What may be sent without a person."""
