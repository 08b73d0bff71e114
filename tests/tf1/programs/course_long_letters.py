"""The course's fourth program: two LSTM layers learn a long sentence from its windows."""

import ostinato.tf1 as tf

SIZE = 25
LENGTH = 10


def build(batch):
    """The tensors of the graph: X (B, 10) letters, Y (B, 10) their successors."""
    X = tf.placeholder(tf.int32, [None, LENGTH])
    Y = tf.placeholder(tf.int32, [None, LENGTH])

    one_hot = tf.one_hot(X, SIZE)
    cells = [tf.contrib.rnn.BasicLSTMCell(SIZE, state_is_tuple=True) for _ in range(2)]
    cell = tf.contrib.rnn.MultiRNNCell(cells, state_is_tuple=True)
    outputs, _states = tf.nn.dynamic_rnn(cell, one_hot, dtype=tf.float32)

    flat = tf.reshape(outputs, [-1, SIZE])
    logits = tf.contrib.layers.fully_connected(flat, SIZE, activation_fn=None)
    outputs = tf.reshape(logits, [batch, LENGTH, SIZE])

    weights = tf.ones([batch, LENGTH])
    loss = tf.contrib.seq2seq.sequence_loss(logits=outputs, targets=Y, weights=weights)
    mean_loss = tf.reduce_mean(loss)
    train = tf.train.AdamOptimizer(learning_rate=0.1).minimize(mean_loss)
    return {"X": X, "Y": Y, "outputs": outputs, "loss": mean_loss, "train": train}


def main(x, y, steps=500):
    """Train on all windows at once, and print the loss at each step.

    Args:
        x, y: (windows, 10), letters and their successors.
    """
    tf.set_random_seed(777)
    net = build(len(x))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(steps):
            _, loss, _ = sess.run(
                [net["train"], net["loss"], net["outputs"]], {net["X"]: x, net["Y"]: y}
            )
            print(step, "loss:", loss)
