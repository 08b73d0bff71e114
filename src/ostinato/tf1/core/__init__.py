"""Private: the graph of a TensorFlow 1 program: operations, control flow, gradients, sessions."""
