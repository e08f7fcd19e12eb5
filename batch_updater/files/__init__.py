"""All that touches files: what is read at the top, what is written at the bottom."""
