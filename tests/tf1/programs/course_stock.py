"""The course's fifth program: an LSTM learns the next closing price from seven days."""

import ostinato.tf1 as tf

DAYS = 7
PRICES = 5
HIDDEN = 10


def build():
    """The tensors of the graph: X (B, 7, 5) prices of seven days, Y (B, 1) the next one."""
    X = tf.placeholder(tf.float32, [None, DAYS, PRICES])
    Y = tf.placeholder(tf.float32, [None, 1])

    cell = tf.contrib.rnn.BasicLSTMCell(num_units=HIDDEN, state_is_tuple=True)
    outputs, _states = tf.nn.dynamic_rnn(cell, X, dtype=tf.float32)
    predicted = tf.contrib.layers.fully_connected(outputs[:, -1], 1, activation_fn=None)

    loss = tf.reduce_sum(tf.square(predicted - Y))
    train = tf.train.AdamOptimizer(0.01).minimize(loss)

    targets = tf.placeholder(tf.float32, [None, 1])
    predictions = tf.placeholder(tf.float32, [None, 1])
    rmse = tf.sqrt(tf.reduce_mean(tf.square(targets - predictions)))
    return {
        "X": X,
        "Y": Y,
        "loss": loss,
        "train": train,
        "predicted": predicted,
        "targets": targets,
        "predictions": predictions,
        "rmse": rmse,
    }


def main(x, y, test_x, test_y, steps=500):
    """Train, and print the loss at each step and the error of the test days at the end."""
    tf.set_random_seed(777)
    net = build()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(steps):
            _, loss = sess.run([net["train"], net["loss"]], {net["X"]: x, net["Y"]: y})
            print(step, "loss:", loss)
        predicted = sess.run(net["predicted"], {net["X"]: test_x})
        error = sess.run(net["rmse"], {net["targets"]: test_y, net["predictions"]: predicted})
        print("RMSE:", error)
