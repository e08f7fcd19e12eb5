"""What rows would change: rows against what is known of their faces, to a plan."""
