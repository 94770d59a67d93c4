"""WhatsApp by its two providers."""
