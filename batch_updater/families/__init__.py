"""A run and its retries as one truth: reunion > folding > family."""
