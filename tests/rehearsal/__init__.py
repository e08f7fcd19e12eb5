"""Nights of reconciliation against an emulator, with all that may go wrong in them."""
