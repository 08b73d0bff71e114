"""Private: training: the loop, the objective, metrics and the report."""
