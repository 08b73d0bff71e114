"""The course's first program: an LSTM learns to read "hihell" as "ihello"."""

import numpy as np

import ostinato.tf1 as tf

LETTERS = ["h", "i", "e", "l", "o"]
SIZE = len(LETTERS)
LENGTH = 6


def build():
    """The tensors of the graph: X (B, 6, 5) one-hot letters, Y (B, 6) their successors."""
    X = tf.placeholder(tf.float32, [None, LENGTH, SIZE])
    Y = tf.placeholder(tf.int32, [None, LENGTH])

    cell = tf.contrib.rnn.BasicLSTMCell(num_units=SIZE, state_is_tuple=True)
    initial_state = cell.zero_state(1, tf.float32)
    outputs, _states = tf.nn.dynamic_rnn(cell, X, initial_state=initial_state, dtype=tf.float32)

    flat = tf.reshape(outputs, [-1, SIZE])
    logits = tf.contrib.layers.fully_connected(flat, num_outputs=SIZE, activation_fn=None)
    outputs = tf.reshape(logits, [1, LENGTH, SIZE])

    weights = tf.ones([1, LENGTH])
    loss = tf.reduce_mean(
        tf.contrib.seq2seq.sequence_loss(logits=outputs, targets=Y, weights=weights)
    )
    train = tf.train.AdamOptimizer(learning_rate=0.1).minimize(loss)
    prediction = tf.argmax(outputs, axis=2)
    return {"X": X, "Y": Y, "loss": loss, "train": train, "prediction": prediction}


def main(x, y, steps=50):
    """Train on one word, and print the loss and the word at each step.

    Args:
        x: (1, 6, 5), the one-hot letters.
        y: (1, 6), the letters that follow.
    """
    tf.set_random_seed(777)
    net = build()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(steps):
            loss, _ = sess.run([net["loss"], net["train"]], {net["X"]: x, net["Y"]: y})
            read = sess.run(net["prediction"], {net["X"]: x})
            print(step, "loss:", loss, "word:", "".join(LETTERS[k] for k in np.squeeze(read)))
