"""What FRS knows, and how it is kept: projects > face_sets > face_set > face; keeper > storage."""
