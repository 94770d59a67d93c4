"""CRMs that keep tickets of their own: HubSpot, Zoho Desk, Salesforce. What they have in common lies here, each one's
own API in its folder."""
