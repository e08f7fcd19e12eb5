"""Settings: defaults < file < environment < flags. settings > options > parsing."""
