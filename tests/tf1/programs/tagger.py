"""A tagger of words: a bidirectional LSTM with a conditional random field.

    python tagger.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

WORDS, TAGS, HIDDEN, BATCH, LENGTH = 15, 4, 7, 6, 9


def batch(step):
    """Words (6, 9), tags (6, 9) and lengths (6,). A tag depends on the word and the one before;
    there are three batches.
    """
    random = np.random.RandomState(step % 3)
    words = random.randint(1, WORDS, [BATCH, LENGTH])
    lengths = random.randint(3, LENGTH + 1, [BATCH])
    tags = (words + np.roll(words, 1, 1)) % TAGS
    inside = np.arange(LENGTH) < lengths[:, None]
    return words * inside, tags * inside, lengths


class Model:
    """The graph, with a session."""

    def __init__(self):
        self.words = tf.placeholder(tf.int32, shape=[None, None], name="words")
        self.tags = tf.placeholder(tf.int32, shape=[None, None], name="tags")
        self.lengths = tf.placeholder(tf.int32, shape=[None], name="lengths")
        with tf.variable_scope("words"):
            random = np.random.RandomState(5).randn(WORDS, HIDDEN)
            table = tf.Variable(random * 0.5, name="embeddings", dtype=tf.float32)
            inputs = tf.nn.embedding_lookup(table, self.words, name="embedded")
        with tf.variable_scope("bi-lstm"):
            (forward, backward), _states = tf.nn.bidirectional_dynamic_rnn(
                tf.contrib.rnn.LSTMCell(HIDDEN),
                tf.contrib.rnn.LSTMCell(HIDDEN),
                inputs,
                sequence_length=self.lengths,
                dtype=tf.float32,
            )
            output = tf.concat([forward, backward], axis=-1)
        with tf.variable_scope("proj"):
            w = tf.get_variable("W", dtype=tf.float32, shape=[2 * HIDDEN, TAGS])
            b = tf.get_variable("b", shape=[TAGS], initializer=tf.zeros_initializer())
            steps = tf.shape(output)[1]
            scores = tf.matmul(tf.reshape(output, [-1, 2 * HIDDEN]), w) + b
            self.scores = tf.reshape(scores, [-1, steps, TAGS])
        likelihood, self.transitions = tf.contrib.crf.crf_log_likelihood(
            self.scores, self.tags, self.lengths
        )
        self.loss = tf.reduce_mean(-likelihood)
        self.decoded, _best = tf.contrib.crf.crf_decode(self.scores, self.transitions, self.lengths)
        self.step = tf.Variable(0, trainable=False, name="global_step")
        with tf.variable_scope("train_step"):
            rate = tf.train.exponential_decay(0.1, self.step, 4, 0.95, staircase=True)
            optimizer = tf.train.RMSPropOptimizer(rate)
            pairs = optimizer.compute_gradients(self.loss)
            clipped = [(tf.clip_by_value(g, -1.0, 1.0), v) for g, v in pairs]
            self.train = optimizer.apply_gradients(clipped, global_step=self.step)

    def feed(self, step):
        words, tags, lengths = batch(step)
        return {self.words: words, self.tags: tags, self.lengths: lengths}


def main(directory, steps):
    """Train, and return the losses."""
    tf.reset_default_graph()
    tf.set_random_seed(5)
    model, losses = Model(), []
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        latest = tf.train.latest_checkpoint(directory)
        if latest:
            saver.restore(sess, latest)
        first = sess.run(model.step)
        for step in range(first, first + steps):
            loss, _ = sess.run([model.loss, model.train], model.feed(step))
            print("loss", loss)
            losses.append(loss)
            if (step + 1) % 12 == 0:
                saver.save(
                    sess,
                    os.path.join(directory, "tagger"),
                    global_step=model.step,
                    write_meta_graph=False,
                )
        feed = model.feed(0)
        found, scores, transitions = sess.run(
            [model.decoded, model.scores, model.transitions], feed
        )
        words, tags, lengths = batch(0)
        for row, length in enumerate(lengths):
            path, _score = tf.contrib.crf.viterbi_decode(scores[row, :length], transitions)
            assert list(found[row, :length]) == path
        inside = np.arange(LENGTH) < lengths[:, None]
        print("accuracy", np.mean((found == tags)[inside]))
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
