"""Moving one task to one result: sender > calls > breaker, pool, renewal > pacing, retry, circuit > gate."""
