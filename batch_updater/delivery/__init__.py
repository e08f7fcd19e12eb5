"""Moving one task to one result: sender > feed, pacing, pool, retry > gate."""
