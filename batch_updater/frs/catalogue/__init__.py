"""What each error code means: data, in our own words, by who sends it."""
