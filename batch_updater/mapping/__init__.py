"""Rows to updates: columns, FRS's field rules, duplicates; all of it pure."""
