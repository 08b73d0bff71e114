"""Private: input pipelines (tf.data) and the readers of data sets."""
