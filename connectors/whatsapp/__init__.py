"""WhatsApp by Twilio and by Meta's Cloud API: two channels that share what WhatsApp itself rules."""
