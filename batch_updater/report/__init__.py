"""What people see of a run: summary < progress, text."""
