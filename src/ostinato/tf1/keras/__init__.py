"""Private: the layers and models of tf.keras."""
