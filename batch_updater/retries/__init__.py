"""What a retry sends: mending > choice, edited."""
