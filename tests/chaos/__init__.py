"""Chaos: weather > proxy between the command and the emulator; scenarios > truth."""
