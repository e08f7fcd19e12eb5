"""Who may enter, and how often: entrance > gate > signature, identity, quota."""
