"""A classifier that reads handwritten digits row by row, from files in MNIST's format.

    python digits.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each.
"""

import gzip
import os
import struct
import sys

import numpy as np

import ostinato.tf1 as tf

BATCH, ROWS, COLUMNS, HIDDEN, CLASSES = 16, 28, 28, 8, 10


def write_files(directory):
    """Write MNIST's four files: a bright bar in the row of its digit, on noise."""
    random = np.random.RandomState(3)
    for part, count in (("train", 96), ("t10k", 32)):
        labels = random.randint(0, CLASSES, count).astype(np.uint8)
        images = random.randint(0, 60, (count, ROWS, COLUMNS)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 2 : 2 * label + 5, 4:24] += 180
        with gzip.open(os.path.join(directory, f"{part}-images-idx3-ubyte.gz"), "wb") as file:
            file.write(struct.pack(">4I", 2051, count, ROWS, COLUMNS) + images.tobytes())
        with gzip.open(os.path.join(directory, f"{part}-labels-idx1-ubyte.gz"), "wb") as file:
            file.write(struct.pack(">2I", 2049, count) + labels.tobytes())


def build():
    """The tensors of the graph: x (B, 784) images, y (B, 10) one-hot labels."""
    x = tf.placeholder("float", [None, ROWS, COLUMNS], name="x")
    y = tf.placeholder("float", [None, CLASSES], name="y")
    weights = {"out": tf.Variable(tf.random_normal([HIDDEN, CLASSES]))}
    biases = {"out": tf.Variable(tf.random_normal([CLASSES]))}

    rows = tf.unstack(x, ROWS, 1)
    cell = tf.contrib.rnn.BasicLSTMCell(HIDDEN, forget_bias=1.0)
    outputs, _states = tf.contrib.rnn.static_rnn(cell, rows, dtype=tf.float32)
    logits = tf.matmul(outputs[-1], weights["out"]) + biases["out"]

    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=y))
    step = tf.train.get_or_create_global_step()
    train = tf.train.AdamOptimizer(learning_rate=0.05).minimize(loss, global_step=step)
    correct = tf.equal(tf.argmax(logits, 1), tf.argmax(y, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    return {"x": x, "y": y, "loss": loss, "train": train, "accuracy": accuracy, "step": step}


def main(directory, steps):
    """Train, and return the losses."""
    tf.reset_default_graph()
    tf.set_random_seed(3)
    if not os.path.exists(os.path.join(directory, "train-images-idx3-ubyte.gz")):
        write_files(directory)
    mnist = tf.examples.tutorials.mnist.input_data.read_data_sets(
        directory, one_hot=True, validation_size=16, seed=3
    )
    net = build()
    saver, losses = tf.train.Saver(max_to_keep=2), []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        latest = tf.train.latest_checkpoint(directory)
        if latest:
            saver.restore(sess, latest)
        first = sess.run(net["step"])
        for _ in range(first):  # batches that were read before
            mnist.train.next_batch(BATCH)
        for step in range(first + 1, first + steps + 1):
            images, labels = mnist.train.next_batch(BATCH)
            feed = {net["x"]: images.reshape((BATCH, ROWS, COLUMNS)), net["y"]: labels}
            loss, _ = sess.run([net["loss"], net["train"]], feed)
            print("loss", loss)
            losses.append(loss)
            if step % 12 == 0:
                saver.save(sess, os.path.join(directory, "digits"), global_step=net["step"])
        images = mnist.test.images.reshape((-1, ROWS, COLUMNS))
        feed = {net["x"]: images, net["y"]: mnist.test.labels}
        print("accuracy", sess.run(net["accuracy"], feed))
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
