"""A plan before it is sent, and the plan that takes a run back."""
