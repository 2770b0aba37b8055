"""From the answers of arrays to sums, thresholds, votes and scores."""
