"""Where rows come in: items > survey > rows."""
