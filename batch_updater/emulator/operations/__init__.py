"""What FRS does: table > face_sets, faces, update, search > the checks of their bodies."""
