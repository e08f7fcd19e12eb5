"""Planned misbehaviour: actions > fault; script reads a list of them."""
