"""Recognition of activities from a phone's sensors: two LSTM layers with an L2 loss.

    python activities.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each.
A saved program is continued from its file: the graph is imported and not built again.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

STEPS, SENSORS, HIDDEN, CLASSES, BATCH = 10, 3, 6, 4, 8


def data():
    """Waves of four frequencies: (40, 10, 3) signals and (40, 4) one-hot activities."""
    random = np.random.RandomState(4)
    labels = np.arange(40) % CLASSES
    time = np.arange(STEPS)[None, :, None] + random.rand(40, 1, SENSORS) * 6
    signals = np.sin(time * (labels[:, None, None] + 1) * 0.5) + 0.1 * random.randn(40, STEPS, 1)
    return signals.astype(np.float32), np.eye(CLASSES, dtype=np.float32)[labels]


def build():
    """Build the graph; its tensors are found by their names."""
    x = tf.placeholder(tf.float32, [None, STEPS, SENSORS], name="x")
    y = tf.placeholder(tf.float32, [None, CLASSES], name="y")
    weights = {
        "hidden": tf.Variable(tf.random_normal([SENSORS, HIDDEN])),
        "out": tf.Variable(tf.random_normal([HIDDEN, CLASSES], mean=1.0)),
    }
    biases = {
        "hidden": tf.Variable(tf.random_normal([HIDDEN])),
        "out": tf.Variable(tf.random_normal([CLASSES])),
    }

    flat = tf.reshape(tf.transpose(x, [1, 0, 2]), [-1, SENSORS])
    hidden = tf.nn.relu(tf.matmul(flat, weights["hidden"]) + biases["hidden"])
    inputs = tf.split(hidden, STEPS, 0)
    layers = [
        tf.contrib.rnn.BasicLSTMCell(HIDDEN, forget_bias=1.0, state_is_tuple=True) for _ in range(2)
    ]
    cell = tf.contrib.rnn.MultiRNNCell(layers, state_is_tuple=True)
    outputs, _states = tf.contrib.rnn.static_rnn(cell, inputs, dtype=tf.float32)
    logits = tf.matmul(outputs[-1], weights["out"]) + biases["out"]

    l2 = 0.0015 * sum(tf.nn.l2_loss(v) for v in tf.trainable_variables())
    losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=logits)
    loss = tf.add(tf.reduce_mean(losses), l2, name="loss")
    step = tf.Variable(0, trainable=False, name="global_step")
    tf.train.AdamOptimizer(learning_rate=0.01).minimize(loss, global_step=step, name="train")
    correct = tf.equal(tf.argmax(logits, 1), tf.argmax(y, 1))
    tf.reduce_mean(tf.cast(correct, tf.float32), name="accuracy")


def main(directory, steps):
    """Train, and return the losses."""
    tf.reset_default_graph()
    tf.set_random_seed(4)
    signals, labels = data()
    latest, losses = tf.train.latest_checkpoint(directory), []
    with tf.Session() as sess:
        if latest:
            saver = tf.train.import_meta_graph(latest + ".meta")
            saver.restore(sess, latest)
        else:
            build()
            saver = tf.train.Saver()
            sess.run(tf.global_variables_initializer())
        graph = tf.get_default_graph()
        x, y = (graph.get_tensor_by_name(name) for name in ("x:0", "y:0"))
        train = graph.get_operation_by_name("train")
        loss, accuracy = (graph.get_tensor_by_name(name) for name in ("loss:0", "accuracy:0"))
        first = sess.run("global_step:0")
        for step in range(first, first + steps):
            rows = np.arange(step * BATCH, (step + 1) * BATCH) % len(signals)
            value, _ = sess.run([loss, train], {x: signals[rows], y: labels[rows]})
            print("loss", value)
            losses.append(value)
            if (step + 1) % 12 == 0:
                saver.save(sess, os.path.join(directory, "activities"), global_step=step + 1)
        print("accuracy", sess.run(accuracy, {x: signals, y: labels}))
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
