"""Private: optimizers, learning rates, averages, gradient clipping and checkpoints."""
