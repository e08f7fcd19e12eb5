"""What a run does with its rows, by its purpose; pipeline.py is the same for all."""
