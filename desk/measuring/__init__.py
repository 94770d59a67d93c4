"""`desk bench`: what the desk costs, each figure beside a plainer way to do the same, measured in the same run."""
