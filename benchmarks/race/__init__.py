"""A race: the same updates sent by different clients in turn, several rounds."""
