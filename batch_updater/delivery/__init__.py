"""Moving one task to one result: sender > calls > pacing, retry, circuit, pool > gate."""
