"""What a row may cost, in figures that are the same on every machine."""
