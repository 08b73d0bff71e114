"""Private: TensorFlow's files: checkpoints, graphs and event files."""
