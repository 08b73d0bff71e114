"""A translator: an encoder, a decoder with attention, and beam search.

    python translate.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each. The
translation of a sentence is its reverse; another graph, which reads the checkpoint, translates.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

PAD, GO, END, WORDS, HIDDEN, BEAMS = 0, 1, 2, 10, 6, 3


def batch(step, size=5):
    """Sources (5, T), their lengths (5,), targets (5, T') with an end; there are three batches."""
    random = np.random.RandomState(step % 3)
    sentences = [list(random.randint(3, WORDS, random.randint(2, 6))) for _ in range(size)]
    lengths = [len(s) for s in sentences]
    longest = max(lengths)
    source = np.array([s + [PAD] * (longest - len(s)) for s in sentences])
    target = np.array([s[::-1] + [END] + [PAD] * (longest - len(s)) for s in sentences])
    return source, lengths, target


class Model:
    """The graph for training, or for translation by beam search."""

    def __init__(self, mode):
        self.source = tf.placeholder(tf.int32, [None, None], name="source")
        self.lengths = tf.placeholder(tf.int32, [None], name="source_lengths")
        self.step = tf.train.get_or_create_global_step()
        size = tf.shape(self.source)[0]
        memory, state, embedding = self._encode()
        lengths = self.lengths
        with tf.variable_scope("decode"):
            if mode == "infer":
                memory = tf.contrib.seq2seq.tile_batch(memory, multiplier=BEAMS)
                lengths = tf.contrib.seq2seq.tile_batch(lengths, multiplier=BEAMS)
                state = tf.contrib.seq2seq.tile_batch(state, multiplier=BEAMS)
            attention = tf.contrib.seq2seq.BahdanauAttention(
                HIDDEN, memory, memory_sequence_length=lengths, normalize=True
            )
            cell = tf.contrib.seq2seq.AttentionWrapper(
                tf.contrib.rnn.GRUCell(2 * HIDDEN),
                attention,
                attention_layer_size=HIDDEN,
                name="attention",
            )
            projection = tf.layers.Dense(WORDS, use_bias=False, name="projection")
            if mode == "infer":
                initial = cell.zero_state(size * BEAMS, tf.float32).clone(cell_state=state)
                decoder = tf.contrib.seq2seq.BeamSearchDecoder(
                    cell,
                    embedding,
                    tf.fill([size], GO),
                    END,
                    initial,
                    BEAMS,
                    output_layer=projection,
                    length_penalty_weight=0.5,
                )
                outputs, _state, _lengths = tf.contrib.seq2seq.dynamic_decode(
                    decoder, maximum_iterations=8
                )
                self.translations = outputs.predicted_ids
            else:
                initial = cell.zero_state(size, tf.float32).clone(cell_state=state)
                self._train(cell, embedding, initial, projection)
        self.saver = tf.train.Saver(tf.global_variables(), max_to_keep=3)

    def _encode(self):
        with tf.variable_scope("encode"):
            embedding = tf.get_variable("embedding", [WORDS, HIDDEN])
            cells = [tf.contrib.rnn.GRUCell(HIDDEN) for _ in range(2)]
            outputs, states = tf.nn.bidirectional_dynamic_rnn(
                *cells,
                tf.nn.embedding_lookup(embedding, self.source),
                sequence_length=self.lengths,
                dtype=tf.float32,
            )
        return tf.concat(outputs, 2), tf.concat(states, 1), embedding

    def _train(self, cell, embedding, initial, projection):
        self.target = tf.placeholder(tf.int32, [None, None], name="target")
        starts = tf.fill([tf.shape(self.target)[0], 1], GO)
        inputs = tf.concat([starts, self.target[:, :-1]], 1)
        lengths = self.lengths + 1
        helper = tf.contrib.seq2seq.TrainingHelper(
            tf.nn.embedding_lookup(embedding, inputs), lengths
        )
        decoder = tf.contrib.seq2seq.BasicDecoder(cell, helper, initial, output_layer=projection)
        outputs, _state, _lengths = tf.contrib.seq2seq.dynamic_decode(decoder)
        weights = tf.sequence_mask(lengths, tf.shape(self.target)[1], dtype=tf.float32)
        self.loss = tf.contrib.seq2seq.sequence_loss(outputs.rnn_output, self.target, weights)
        optimizer = tf.train.AdamOptimizer(0.02)
        gradients, variables = zip(*optimizer.compute_gradients(self.loss), strict=True)
        gradients, self.norm = tf.clip_by_global_norm(gradients, 1.0)
        self.train = optimizer.apply_gradients(
            zip(gradients, variables, strict=True), global_step=self.step
        )


def translate(directory):
    """The best translations of the first batch, (5, T), by the saved model."""
    source, lengths, _target = batch(0)
    with tf.Graph().as_default(), tf.Session() as sess:
        model = Model("infer")
        model.saver.restore(sess, tf.train.latest_checkpoint(directory))
        found = sess.run(model.translations, {model.source: source, model.lengths: lengths})
    return found[:, :, 0]


def main(directory, steps):
    """Train, and return the losses."""
    losses = []
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(6)
        model = Model("train")
        latest = tf.train.latest_checkpoint(directory)
        if latest:
            model.saver.restore(sess, latest)
        else:
            sess.run(tf.global_variables_initializer())
        first = sess.run(model.step)
        for step in range(first, first + steps):
            source, lengths, target = batch(step)
            feed = {model.source: source, model.lengths: lengths, model.target: target}
            loss, _ = sess.run([model.loss, model.train], feed)
            print("loss", loss)
            losses.append(loss)
            if (step + 1) % 12 == 0:
                model.saver.save(
                    sess,
                    os.path.join(directory, "translate"),
                    global_step=model.step,
                    write_meta_graph=False,
                )
    for sentence in translate(directory):
        print("translation", sentence)
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
