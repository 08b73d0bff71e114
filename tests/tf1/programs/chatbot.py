"""A chatbot of the first kind: buckets of lengths, attention and a sampled softmax.

    python chatbot.py DIRECTORY STEPS

trains STEPS batches more than DIRECTORY's last checkpoint, saves each 12, and prints the loss of each. The
answer to a sentence is the sentence itself.
"""

import os
import sys

import numpy as np

import ostinato.tf1 as tf

PAD, GO, END, WORDS, HIDDEN, BATCH, SAMPLES = 0, 1, 2, 24, 8, 6, 8
BUCKETS = [(2, 4), (3, 5)]


def batch(step):
    """The bucket's number, questions and answers with their weights: lists over time of (6,)."""
    random = np.random.RandomState(step % 4)
    bucket = step % 2
    before, after = BUCKETS[bucket]
    questions, answers, weights = [], [], []
    for _ in range(BATCH):
        words = list(random.randint(3, WORDS, random.randint(before - 1, before + 1)))
        answer = [GO, *words, END]
        questions.append([PAD] * (before - len(words)) + words[::-1])
        answers.append(answer + [PAD] * (after - len(answer)))
        # Nothing follows the last word.
        weights.append([1.0] * (len(answer) - 1) + [0.0] * (after - len(answer) + 1))
    return bucket, *(np.array(rows).T for rows in (questions, answers, weights))


class Model:
    """The graph, with an output for each bucket."""

    def __init__(self, answering):
        before, after = BUCKETS[-1]
        self.questions = [
            tf.placeholder(tf.int32, shape=[None], name=f"encoder{i}") for i in range(before)
        ]
        self.answers = [
            tf.placeholder(tf.int32, shape=[None], name=f"decoder{i}") for i in range(after + 1)
        ]
        self.weights = [
            tf.placeholder(tf.float32, shape=[None], name=f"weight{i}") for i in range(after + 1)
        ]
        targets = self.answers[1:]
        w = tf.get_variable("proj_w", [HIDDEN, WORDS])
        b = tf.get_variable("proj_b", [WORDS])

        def sampled_loss(labels, logits):
            return tf.nn.sampled_softmax_loss(
                weights=tf.transpose(w),
                biases=b,
                labels=tf.reshape(labels, [-1, 1]),
                inputs=logits,
                num_sampled=SAMPLES,
                num_classes=WORDS,
            )

        def network(encoder_inputs, decoder_inputs):
            return tf.contrib.legacy_seq2seq.embedding_attention_seq2seq(
                encoder_inputs,
                decoder_inputs,
                tf.contrib.rnn.GRUCell(HIDDEN),
                num_encoder_symbols=WORDS,
                num_decoder_symbols=WORDS,
                embedding_size=HIDDEN,
                output_projection=(w, b),
                feed_previous=answering,
            )

        self.outputs, self.losses = tf.contrib.legacy_seq2seq.model_with_buckets(
            self.questions,
            self.answers,
            targets,
            self.weights,
            BUCKETS,
            network,
            softmax_loss_function=sampled_loss,
        )
        self.step = tf.Variable(0, dtype=tf.int32, trainable=False, name="global_step")
        if answering:
            self.outputs = [[tf.matmul(o, w) + b for o in outputs] for outputs in self.outputs]
            return
        variables = tf.trainable_variables()
        optimizer = tf.train.GradientDescentOptimizer(0.5)
        self.train = []
        for loss in self.losses:
            gradients, _norm = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
            self.train.append(
                optimizer.apply_gradients(
                    zip(gradients, variables, strict=True), global_step=self.step
                )
            )

    def feed(self, step):
        """The bucket's number and the values of its placeholders."""
        bucket, questions, answers, weights = batch(step)
        feed = dict(zip(self.questions, questions))
        feed |= dict(zip(self.answers, answers))
        feed |= dict(zip(self.weights, weights))
        feed[self.answers[len(answers)]] = np.zeros(BATCH, np.int32)
        return bucket, feed


def answer(directory):
    """The answers to the first batch, (time, 6), by the saved model."""
    with tf.Graph().as_default(), tf.Session() as sess:
        model = Model(answering=True)
        tf.train.Saver().restore(sess, tf.train.latest_checkpoint(directory))
        bucket, feed = model.feed(0)
        logits = sess.run(model.outputs[bucket][: BUCKETS[bucket][1]], feed)
    return np.argmax(logits, axis=-1)


def main(directory, steps):
    """Train, and return the losses."""
    losses = []
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        model = Model(answering=False)
        saver = tf.train.Saver(save_relative_paths=True)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            checkpoint = tf.train.get_checkpoint_state(directory)
            if checkpoint:
                saver.restore(sess, checkpoint.model_checkpoint_path)
            first = sess.run(model.step)
            for step in range(first, first + steps):
                bucket, feed = model.feed(step)
                loss, _ = sess.run([model.losses[bucket], model.train[bucket]], feed)
                print("loss", loss)
                losses.append(loss)
                if (step + 1) % 12 == 0:
                    saver.save(
                        sess,
                        os.path.join(directory, "chatbot"),
                        global_step=model.step,
                        write_meta_graph=False,
                    )
    print("answers", answer(directory).T.tolist())
    return losses


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
