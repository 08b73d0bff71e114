"""Private: the graph of a TensorFlow 1 program, its operations and tensors, and sessions."""
