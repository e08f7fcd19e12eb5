"""The contract suite: is a service what its documents say, and what of the rest?

`python -m contract` runs it against any endpoint; README tells how.
"""
