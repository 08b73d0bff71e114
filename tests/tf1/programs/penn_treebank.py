"""A language model of words with clipped gradients and a falling learning rate.

    python penn_treebank.py DIRECTORY STEPS [static|dynamic]

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the cost of each.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

WORDS, HIDDEN, LAYERS = 20, 8, 2
BATCH, LENGTH = 5, 4
EPOCH = 3


class Model:
    """LSTM layers that predict the next word; the state goes from batch to batch."""

    def __init__(self, training, network):
        self.words = tf.placeholder(tf.int32, [BATCH, LENGTH])
        self.targets = tf.placeholder(tf.int32, [BATCH, LENGTH])

        def layer():
            return tf.contrib.rnn.BasicLSTMCell(
                HIDDEN, forget_bias=0.0, state_is_tuple=True, reuse=not training
            )

        cell = tf.contrib.rnn.MultiRNNCell([layer() for _ in range(LAYERS)], state_is_tuple=True)
        self.initial_state = cell.zero_state(BATCH, tf.float32)
        with tf.device("/cpu:0"):
            embedding = tf.get_variable("embedding", [WORDS, HIDDEN], dtype=tf.float32)
            inputs = tf.nn.embedding_lookup(embedding, self.words)

        if network == "static":
            inputs = tf.unstack(inputs, num=LENGTH, axis=1)
            outputs, state = tf.nn.static_rnn(cell, inputs, initial_state=self.initial_state)
            output = tf.reshape(tf.concat(outputs, 1), [-1, HIDDEN])
        else:
            output, state = tf.nn.dynamic_rnn(cell, inputs, initial_state=self.initial_state)
            output = tf.reshape(output, [-1, HIDDEN])
        self.final_state = state

        w = tf.get_variable("softmax_w", [HIDDEN, WORDS], dtype=tf.float32)
        b = tf.get_variable("softmax_b", [WORDS], dtype=tf.float32)
        logits = tf.reshape(tf.nn.xw_plus_b(output, w, b), [BATCH, LENGTH, WORDS])
        loss = tf.contrib.seq2seq.sequence_loss(
            logits,
            self.targets,
            tf.ones([BATCH, LENGTH], dtype=tf.float32),
            average_across_timesteps=False,
            average_across_batch=True,
        )
        self.cost = tf.reduce_sum(loss)
        if not training:
            return

        self.rate = tf.Variable(0.0, trainable=False)
        self.step = tf.train.get_or_create_global_step()
        variables = tf.trainable_variables()
        gradients, _norm = tf.clip_by_global_norm(tf.gradients(self.cost, variables), 5.0)
        optimizer = tf.train.GradientDescentOptimizer(self.rate)
        self.train = optimizer.apply_gradients(
            zip(gradients, variables, strict=True), global_step=self.step
        )
        self.new_rate = tf.placeholder(tf.float32, shape=[], name="new_learning_rate")
        self.set_rate = tf.assign(self.rate, self.new_rate)


def batches(seed):
    """The batches of an epoch: words and their successors, (5, 4) each."""
    random = np.random.RandomState(seed)
    rows = (np.arange(EPOCH * LENGTH + 1) * 3 + random.randint(0, WORDS, [BATCH, 1])) % WORDS
    for start in range(0, EPOCH * LENGTH, LENGTH):
        yield rows[:, start : start + LENGTH], rows[:, start + 1 : start + LENGTH + 1]


def run_epoch(sess, model, seed, train=None):
    """The cost of each batch of an epoch."""
    costs, state = [], sess.run(model.initial_state)
    fetches = {"cost": model.cost, "final_state": model.final_state}
    if train is not None:
        fetches["train"] = train
    for words, targets in batches(seed):
        feed = {model.words: words, model.targets: targets}
        for i, (c, h) in enumerate(model.initial_state):
            feed[c] = state[i].c
            feed[h] = state[i].h
        values = sess.run(fetches, feed)
        state = values["final_state"]
        costs.append(values["cost"])
    return costs


def main(directory, steps, network="static"):
    """Train whole epochs, and return the costs."""
    tf.reset_default_graph()
    tf.set_random_seed(2)
    initializer = tf.random_uniform_initializer(-0.5, 0.5)
    with tf.name_scope("Train"), tf.variable_scope("Model", initializer=initializer):
        model = Model(True, network)
    with tf.name_scope("Valid"), tf.variable_scope("Model", reuse=True, initializer=initializer):
        valid = Model(False, network)
    saver, costs = tf.train.Saver(), []
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
        latest = tf.train.latest_checkpoint(directory)
        if latest:
            saver.restore(sess, latest)
        else:
            sess.run(tf.global_variables_initializer())
        for _epoch in range(steps // EPOCH):
            epoch = sess.run(model.step) // EPOCH
            sess.run(model.set_rate, {model.new_rate: 1.5 * 0.95**epoch})
            for cost in run_epoch(sess, model, 0, model.train):
                print("loss", cost)
                costs.append(cost)
            perplexity = np.exp(np.sum(run_epoch(sess, valid, 1)) / (EPOCH * LENGTH))
            print(f"valid perplexity: {perplexity:.3f}")
            if sess.run(model.step) % 12 == 0:
                saver.save(sess, os.path.join(directory, "model"), global_step=model.step)
    return costs


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
