"""The web widget's half of the desk: its configuration, its visitors, and what they may see."""
