"""A character model whose state is carried from one batch to the next.

    python characters.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

TEXT = "the quick brown fox jumps over the lazy dog. pack my box with five dozen jugs. " * 4
LETTERS = sorted(set(TEXT))
BATCH, LENGTH, HIDDEN = 4, 8, 12
EPOCH = 3


class Model:
    """Two LSTM layers between an embedding and a softmax.

    Args:
        batch: B.
        length: T.
        sampling: Use the variables that are there already, and build no optimizer.
    """

    def __init__(self, batch, length, sampling=False):
        self.letters = tf.placeholder(tf.int32, [batch, length], name="letters")
        self.targets = tf.placeholder(tf.int32, [batch, length], name="targets")
        with tf.variable_scope("characters", reuse=sampling):
            cells = [tf.nn.rnn_cell.BasicLSTMCell(HIDDEN, forget_bias=0.0) for _ in range(2)]
            cell = tf.nn.rnn_cell.MultiRNNCell(cells, state_is_tuple=True)
            self.initial_state = cell.zero_state(batch, tf.float32)
            embedding = tf.get_variable("embedding", [len(LETTERS), HIDDEN])
            inputs = tf.nn.embedding_lookup(embedding, self.letters)
            outputs, self.final_state = tf.nn.dynamic_rnn(
                cell, inputs, initial_state=self.initial_state
            )
            w = tf.get_variable("softmax_w", [HIDDEN, len(LETTERS)])
            b = tf.get_variable("softmax_b", [len(LETTERS)], initializer=tf.zeros_initializer())
        logits = tf.matmul(tf.reshape(outputs, [-1, HIDDEN]), w) + b
        self.probabilities = tf.nn.softmax(logits, name="probabilities")
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.reshape(self.targets, [-1]), logits=logits
        )
        self.loss = tf.reduce_sum(losses) / batch / length
        if sampling:
            return
        self.rate = tf.Variable(0.0, trainable=False, name="rate")
        self.step = tf.Variable(0, trainable=False, name="global_step")
        variables = tf.trainable_variables()
        gradients, _norm = tf.clip_by_global_norm(tf.gradients(self.loss, variables), 5.0)
        optimizer = tf.train.AdamOptimizer(self.rate)
        self.train = optimizer.apply_gradients(
            zip(gradients, variables, strict=True), global_step=self.step
        )


def batches():
    """The batches of an epoch: letters and their successors, (4, 8) each."""
    numbers = np.array([LETTERS.index(letter) for letter in TEXT])
    rows = numbers[: BATCH * (len(numbers) // BATCH)].reshape(BATCH, -1)
    for start in range(0, EPOCH * LENGTH, LENGTH):
        yield rows[:, start : start + LENGTH], rows[:, start + 1 : start + LENGTH + 1]


def sample(sess, model, start, count):
    """The most probable text after a letter."""
    state, letter, text = sess.run(model.initial_state), LETTERS.index(start), start
    for _ in range(count):
        feed = {model.letters: [[letter]], model.initial_state: state}
        probabilities, state = sess.run([model.probabilities, model.final_state], feed)
        letter = int(np.argmax(probabilities))
        text += LETTERS[letter]
    return text


def main(directory, steps):
    """Train whole epochs, and return the losses."""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    model, sampler = Model(BATCH, LENGTH), Model(1, 1, sampling=True)
    saver = tf.train.Saver(tf.global_variables())
    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        checkpoint = tf.train.get_checkpoint_state(directory)
        if checkpoint and checkpoint.model_checkpoint_path:
            saver.restore(sess, checkpoint.model_checkpoint_path)
        for _epoch in range(steps // EPOCH):
            epoch = sess.run(model.step) // EPOCH
            sess.run(tf.assign(model.rate, 0.02 * 0.9**epoch))
            state = sess.run(model.initial_state)
            for letters, targets in batches():
                feed = {model.letters: letters, model.targets: targets}
                for i, (c, h) in enumerate(model.initial_state):
                    feed[c] = state[i].c
                    feed[h] = state[i].h
                loss, state, _ = sess.run([model.loss, model.final_state, model.train], feed)
                print("loss", loss)
                losses.append(loss)
            step = model.step.eval()
            if step % 12 == 0:
                saver.save(sess, os.path.join(directory, "model.ckpt"), global_step=step)
        print("text", sample(sess, sampler, "t", 10))
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
