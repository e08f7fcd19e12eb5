"""What is read back of a run, and what was found to differ."""
