"""The course's third program: the same sentence without a recurrent layer, by a softmax only."""

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

    flat = tf.reshape(tf.one_hot(X, SIZE), [-1, SIZE])
    w = tf.get_variable("softmax_w", [SIZE, SIZE])
    b = tf.get_variable("softmax_b", [SIZE])
    outputs = tf.reshape(tf.matmul(flat, w) + b, [1, LENGTH, SIZE])

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
