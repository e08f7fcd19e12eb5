"""Other clients that send the same bodies: each a script, a whole process of its own."""
