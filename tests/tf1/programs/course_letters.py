"""The course's second program: an LSTM learns a sentence, letter by letter."""

import numpy as np

import ostinato.tf1 as tf

SENTENCE = " if you want you"
LETTERS = sorted(set(SENTENCE))
SIZE = len(LETTERS)
LENGTH = len(SENTENCE) - 1


def data():
    """The sentence's letters but the last, and the letters that follow, (1, 15) each."""
    numbers = [LETTERS.index(letter) for letter in SENTENCE]
    return np.array([numbers[:-1]]), np.array([numbers[1:]])


def build():
    """The tensors of the graph: X (B, 15) letters, Y (B, 15) their successors."""
    X = tf.placeholder(tf.int32, [None, LENGTH])
    Y = tf.placeholder(tf.int32, [None, LENGTH])

    one_hot = tf.one_hot(X, SIZE)
    cell = tf.contrib.rnn.BasicLSTMCell(num_units=SIZE, state_is_tuple=True)
    initial_state = cell.zero_state(1, tf.float32)
    outputs, _states = tf.nn.dynamic_rnn(
        cell, one_hot, initial_state=initial_state, dtype=tf.float32
    )

    flat = tf.reshape(outputs, [-1, SIZE])
    logits = tf.contrib.layers.fully_connected(flat, SIZE, activation_fn=None)
    outputs = tf.reshape(logits, [1, LENGTH, SIZE])

    weights = tf.ones([1, LENGTH])
    loss = tf.reduce_mean(tf.contrib.seq2seq.sequence_loss(outputs, Y, weights))
    train = tf.train.AdamOptimizer(learning_rate=0.1).minimize(loss)
    prediction = tf.argmax(outputs, axis=2)
    return {"X": X, "Y": Y, "loss": loss, "train": train, "prediction": prediction}


def main(x, y, steps=50):
    """Train on the sentence, and print the loss and the prediction at each step."""
    tf.set_random_seed(777)
    net = build()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(steps):
            loss, _ = sess.run([net["loss"], net["train"]], {net["X"]: x, net["Y"]: y})
            read = sess.run(net["prediction"], {net["X"]: x})
            print(step, "loss:", loss, "text:", "".join(LETTERS[k] for k in np.squeeze(read)))
