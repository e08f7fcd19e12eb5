"""Soak: the real command for a long time under faults; checks > soaking > command."""
