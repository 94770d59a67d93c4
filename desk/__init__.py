"""The core of Draftdesk: the workflow of a ticket and its rules, and the ports everything else plugs into."""
