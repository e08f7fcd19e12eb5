"""What was last applied: a view of journals. opening > absorbing, places > faces."""
