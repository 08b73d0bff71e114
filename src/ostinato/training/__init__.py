"""Training: the loop, the objective, metrics and the report."""
