"""Private: a classifier as C: its networks, and the random kernels of sequences of numbers."""

import struct

import numpy as np

from ...data.values import BYTES_DTYPE
from ...errors import InputError
from ...tasks.classify import LEAST_DEVIATION
from ...tasks.classify_model import ClassifyModel
from ...tasks.random_kernels import VIEWS, WIDTH, RandomKernels
from .classify_code import (
    DRIVER,
    HEADER,
    KERNELS,
    POOL,
    POOL_FIRST,
    POOL_TYPE,
    PREDICT,
    PREPARE,
    RUN_HEAD,
    SELFTEST,
    SOFTMAX,
    STANDARDISE,
    STEP,
    STEP_HEADER,
)
from .parts import AnyTask, CodeListing, Proof, Scratch, TaskCode, filled, numbers_of, recurrent_of

__all__ = ["Networks", "classifier_code", "label_probabilities", "proof"]

# Bytes of the largest number, the sum and the last number of an output.
POOL_BYTES = 16
# Steps of the sequence of the self-test.
TEST_STEPS = 12
# Steps of the sequences of the proof.
PROOF_STEPS = (0, 1, 2, 5, 17, 40)


def classifier_code(task: AnyTask, listing: CodeListing) -> TaskCode:
    """A classifier of sequences of numbers or of texts.

    Args:
        task: The task.
        listing: The source, to which the code is added.

    Raises:
        InputError: Rows have several labels, or a part of the model is not written as C.
    """
    if task.options.multi_label:
        raise InputError(
            "the model gives each row several labels (multi_label=True, --multi-label), which is "
            "not written as C; write it as ONNX"
        )
    if task.is_text:
        from .texts import text_classifier_code

        return text_classifier_code(task, listing)
    network = Networks(task, listing)
    kernels = _kernels(task, listing)
    units, labels = task.metadata.units, len(task.metadata.labels)
    streams = network.streams and not kernels and not task.options.standardise
    listing.table("input_mean", task.metadata.mean, np.float32)
    listing.table("input_scale", task.metadata.scale, np.float32)
    listing.add(PREPARE, DIVISOR="255.0f" if task.metadata.dtype == BYTES_DTYPE else "1.0f")
    if task.options.standardise:
        listing.add(STANDARDISE, LEAST=LEAST_DEVIATION**2)
    scratch = Scratch()
    scratch.add("rows", "float", f"(steps) * {units}")
    if kernels:
        scratch.add("mixed", "float", "steps")
        scratch.add("sums", "double", str(task.metadata.kernels.thresholds))
    network.add_scratch(scratch, "steps")
    sizes = {"UNITS": units, "LABELS": labels}
    standardise = f"    standardise(rows, steps, {units});\n" * bool(task.options.standardise)
    listing.add(
        PREDICT,
        SCRATCH=scratch.declared(),
        BODY=standardise + network.call("rows") + kernels,
        **sizes,
    )
    if streams:
        listing.add(STEP, **sizes)
    expected, selftest = _selftest(task)
    bytes_only = task.metadata.dtype == BYTES_DTYPE
    return TaskCode(
        listing,
        macros={"UNITS": str(units), "LABELS": str(labels), "SCRATCH(steps)": f"({scratch.size})"},
        types=network.types,
        prototypes=listing.filled(HEADER + STEP_HEADER * streams),
        selftest=selftest,
        expected=expected,
        proof=proof(task),
        state=network.state * streams,
        stack=network.stack,
        title=(
            "x has the numbers of each step, one step after another, as in the training data"
            + (": bytes from 0 to 255." if bytes_only else "; they are scaled here."),
        ),
    )


def proof(task: AnyTask) -> Proof:
    """Random sequences of numbers, or texts, and the probabilities of the labels."""
    if task.is_text:
        from .texts import text_proof

        return text_proof(task)
    random = np.random.default_rng(7)
    rows = [_random_row(task, random, steps) for steps in PROOF_STEPS]
    given = struct.pack("<I", len(rows))
    for row in rows:
        given += struct.pack("<I", len(row)) + row.astype(np.float32).tobytes()
    return Proof(filled(DRIVER), given, {"probabilities": label_probabilities(task, rows)})


def label_probabilities(task: AnyTask, rows: list[np.ndarray] | list[str]) -> np.ndarray:
    """The probability of each label, in the order of the metadata, (N, C)."""
    return task.probabilities(task.read(rows, labelled=False))


def _random_row(task: AnyTask, random: np.random.Generator, steps: int) -> np.ndarray:
    """A sequence like those of the training data."""
    mean, scale = (np.array(numbers) for numbers in (task.metadata.mean, task.metadata.scale))
    row = mean + scale * random.normal(size=(steps, len(mean)))
    if task.metadata.dtype == BYTES_DTYPE:
        return np.clip(np.rint(255 * row), 0, 255).astype(np.uint8)
    return row.astype(np.float32)


class Networks:
    """The network of a classifier, or several whose probabilities are averaged.

    Args:
        task: The task.
        listing: The source, to which the code is added.

    Attributes:
        streams: Whether the network can read one step at a time.
        inputs, outputs: Units of the input and the output of the recurrent layers.
        state, stack: Bytes of the state, and of the variables of a call.
        types: The types of the state.
    """

    def __init__(self, task: AnyTask, listing: CodeListing):
        self.listing = listing
        self.labels = len(task.metadata.labels)
        self.streams = not task.options.bidirectional
        self.layers = [
            listing.layer(recurrent_of(member.recurrent), f"network{k}")
            for k, member in enumerate(task.members)
        ]
        self.outputs = self.layers[0].output_size
        (self.inputs,) = self.layers[0].inputs.values()
        members = "".join(
            f"    {layer.prefix}_state layer{k};\n    NAME_pool pool{k};\n"
            for k, layer in enumerate(self.layers)
        )
        state = f"typedef struct {{\n{members}}} NAME_state;\n"
        layers = "\n".join(layer.state for layer in self.layers)
        self.types = layers + listing.filled(POOL_TYPE + state, OUTPUTS=self.outputs)
        listing.texts(f"{listing.name}_labels", _labels(task), public=True)
        listing.add(SOFTMAX)
        listing.add(POOL, OUTPUTS=self.outputs)
        if not self.streams:
            listing.add(POOL_FIRST, OUTPUTS=self.outputs, HALF=self.outputs // 2)
        pools = len(self.layers) * (POOL_BYTES * self.outputs + 8)
        self.state = pools + sum(layer.sizes.state for layer in self.layers)
        self.stack = 4 * 3 * self.outputs + (4 + 8 + 8) * self.labels
        self._add_functions(task.members)

    def _add_functions(self, members: list[ClassifyModel]) -> None:
        reset, step, result = list[str](), list[str](), list[str]()
        for k, (layer, member) in enumerate(zip(self.layers, members)):
            readout = self.listing.linear(
                f"readout{k}", numbers_of(member.readout.weight), numbers_of(member.readout.bias)
            )
            reset += [f"{layer.prefix}_reset(&state->layer{k});", f"pool_reset(&state->pool{k});"]
            step += [
                f"{layer.prefix}_step(&state->layer{k}, x, y);",
                f"pool_add(&state->pool{k}, y);",
            ]
            result += [
                f"pool_features(&state->pool{k}, features);",
                readout.format(x="features", y="scores"),
                f"add_softmax(scores, {self.labels}, total);",
            ]
        add = self.listing.function
        add("void network_reset(NAME_state *state)", reset)
        if self.streams:
            runs = [f"(void){layer.prefix}_run;" for layer in self.layers]
            head = "void network_step(NAME_state *state, const float *x)"
            add(head, [f"float y[{self.outputs}];", *runs, *step])
        else:
            add(RUN_HEAD, self._runs())
        each = f"for (k = 0; k < {self.labels}; k++)"
        add(
            "void network_result(const NAME_state *state, double *total)",
            [
                f"float features[{3 * self.outputs}], scores[{self.labels}];",
                "int k;",
                each,
                "    total[k] = 0.0;",
                *result,
                each,
                f"    total[k] /= {len(members)}.0;",
            ],
        )

    def _runs(self) -> list[str]:
        lines = ["size_t t;"]
        for k, layer in enumerate(self.layers):
            lines += [
                f"{layer.prefix}_run(&state->layer{k}, x, steps, outputs, memory);",
                "for (t = 0; t < steps; t++)",
                f"    pool_add(&state->pool{k}, outputs + t * {self.outputs});",
                f"pool_first(&state->pool{k}, outputs, steps);",
            ]
        return lines

    def add_scratch(self, scratch: Scratch, steps: str) -> None:
        """Add the scratch memory of `call`.

        Args:
            scratch: The arrays.
            steps: The number of steps, a C expression.
        """
        scratch.add("state", f"{self.listing.name}_state", "1")
        if not self.streams:
            memory = max(layer.scratch_units for layer in self.layers)
            scratch.add("outputs", "float", f"({steps}) * {self.outputs}")
            scratch.add("memory", "float", f"({steps}) * {memory} + 1")

    def call(self, rows: str) -> str:
        """C code that reads `steps` rows and writes the probabilities to `total`."""
        run = (
            "    for (t = 0; t < steps; t++)\n"
            f"        network_step(state, {rows} + t * {self.inputs});\n"
            if self.streams
            else f"    network_run(state, {rows}, steps, outputs, memory);\n"
        )
        return f"    network_reset(state);\n{run}    network_result(state, total);\n"


def _labels(task: AnyTask) -> list[bytes]:
    return [str(label).encode("utf-8") for label in task.metadata.labels]


# ---------------------------------------------------------------- random kernels


def _kernels(task: AnyTask, listing: CodeListing) -> str:
    """Add the random kernels; C code that adds their share to `total`, "" without them."""
    linear = task.model.linear
    if not isinstance(linear, RandomKernels) or not float(linear.weight):
        return ""
    sizes, weight = task.metadata.kernels, float(linear.weight)
    ramps = numbers_of(linear.ramps)
    listing.table("dilations", sizes.dilations, np.int32)
    listing.table("kernel_channels", numbers_of(linear.channels), np.uint8)
    listing.table("kernel_ramps", ramps)
    # in float32, as the model computes it
    starts = numbers_of(linear.thresholds) / ramps[..., None] - np.float32(0.5)
    listing.table("kernel_starts", starts, np.float32)
    # a row for each label, so that each has a scale of its own in int8
    listing.matrix("kernel_weights", numbers_of(linear.coefficients).T)
    listing.table("kernel_bias", numbers_of(linear.intercept))
    listing.add(
        KERNELS,
        FEATURES=linear.coefficients.shape[0],
        LABELS=len(task.metadata.labels),
        UNITS=task.metadata.units,
        VIEWS=VIEWS,
        DILATIONS=len(sizes.dilations),
        THRESHOLDS=sizes.thresholds,
        WIDTH=WIDTH,
        MIDDLE=WIDTH // 2,
        SCALED=" * kernel_weights_scale[k]" * listing.int8,
        SHARE=repr(weight),
    )
    return "    add_kernels(rows, (long)steps, mixed, sums, total);\n"


def _selftest(task: AnyTask) -> tuple[dict[str, np.ndarray], str]:
    """The tables and the statements of the self-test, on one sequence."""
    row = _random_row(task, np.random.default_rng(8), TEST_STEPS)
    (wanted,) = label_probabilities(task, [row])
    expected = {"test_x": row.astype(np.float32), "test_wanted": wanted}
    return expected, filled(SELFTEST, STEPS=TEST_STEPS)
