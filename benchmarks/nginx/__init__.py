"""A private nginx that answers like FRS, and counts: for benchmarks and tests."""
