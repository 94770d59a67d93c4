"""HubSpot: tickets with their conversations, notes and contacts."""
