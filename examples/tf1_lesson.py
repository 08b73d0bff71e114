"""A first lesson on recurrent networks, as it was written for TensorFlow 1; only the import is
changed.

Letters are one-hot vectors, and an LSTM of two units reads them: one letter, one word, a batch of
three words. The second way uses the cells and layers of Keras. Nothing is trained; the numbers are
what the first weights make of the letters.

    python examples/tf1_lesson.py

The batch of the first way sets no seed. It prints different numbers each time, unless the device
seed is fixed (see docs/tf1.md):

    OSTINATO_TF1_DEVICE_SEED=4124492660:66 python examples/tf1_lesson.py
"""

import numpy as np

import ostinato.tf1 as tf

tf.logging.set_verbosity(tf.logging.ERROR)

h, e, l, o = np.eye(4, dtype=np.float32).tolist()  # noqa: E741
hidden_size = 2


def show(outputs, feed=None):
    """Print a tensor, and its value with new weights."""
    print(outputs)
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    print(outputs.eval(feed_dict=feed, session=sess))


def run(x_data):
    """Read letters with a new LSTM, and print its outputs."""
    print("input", x_data.shape)
    cell = tf.contrib.rnn.BasicLSTMCell(num_units=hidden_size, state_is_tuple=True)
    outputs, _states = tf.nn.dynamic_rnn(cell, x_data, dtype=tf.float32)
    show(outputs)


# one letter
tf.set_random_seed(777)
run(np.array([[h]], dtype=np.float32))

# one word
tf.reset_default_graph()
tf.set_random_seed(777)
run(np.array([[h, e, l, l, o]], dtype=np.float32))

# a batch of three words; a new graph has no seed
tf.reset_default_graph()
run(np.array([[h, e, l, l, o], [e, o, l, l, l], [l, l, e, e, l]], dtype=np.float32))


# The second way: the cells of Keras. Its RNN layer returns the output of the last letter.
def run_keras(x_data):
    """Read letters with a new LSTM of Keras, and print its last output."""
    tf.reset_default_graph()
    tf.set_random_seed(777)
    print("keras input", x_data.shape)
    cell = tf.keras.layers.LSTMCell(units=hidden_size)
    show(tf.keras.layers.RNN(cell, dtype=tf.float32)(x_data))


one_letter = np.array([[h]], dtype=np.float32)
run_keras(one_letter)
run_keras(np.array([[h, e, l, l, o]], dtype=np.float32))
run_keras(np.array([[h, e, l, l, o], [e, o, l, l, l], [l, l, e, e, l]], dtype=np.float32))

# dynamic_rnn reads with a cell of Keras, too; the weights are drawn elsewhere in the graph
for Cell in (
    tf.keras.layers.SimpleRNNCell,
    tf.keras.layers.GRUCell,
    tf.keras.layers.LSTMCell,
):
    tf.reset_default_graph()
    tf.set_random_seed(777)
    outputs, _states = tf.nn.dynamic_rnn(Cell(units=hidden_size), one_letter, dtype=tf.float32)
    show(outputs)

# letters that are fed: the shape of Input is without the batch size, batch_shape is with it
tf.reset_default_graph()
tf.set_random_seed(777)
letters = tf.keras.layers.Input(batch_shape=(1, 1, 4))
cell = tf.keras.layers.LSTMCell(units=hidden_size)
show(tf.keras.layers.RNN(cell, return_sequences=True)(letters), {letters: one_letter})
