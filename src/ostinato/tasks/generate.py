"""Text generation with a language model: train on a text file, then write new text."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batching import EvaluationText, ParallelStreams
from ..data.disk import StoredNumbers
from ..data.examples import Examples
from ..data.text import compose, given_text
from ..data.vocabulary import make_vocabulary, vocabulary_from_json
from ..errors import InputError
from ..training import metrics
from ..training.problem import Problem
from .beam_search import beam_search
from .layer import layer_of
from .metadata import Metadata
from .options import GenerateOptions
from .reading import TextExamples
from .saved import CURVE
from .task import Inside, Task

__all__ = ["Generator", "LanguageModel"]

# Maximum number of held-out tokens used for validation during training.
WATCHED_TOKENS = 50_000


class LanguageModel(nn.Module):
    """Language model: embedding, recurrent layers, and logits of the next token.

    Args:
        vocabulary_size: V.
        options: Cell, sizes and dropout.
    """

    def __init__(self, vocabulary_size: int, options: GenerateOptions):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, options.embedding)
        self.recurrent, units = layer_of(options, options.embedding)
        self.dropout = nn.Dropout(options.dropout)
        self.readout = nn.Linear(units, vocabulary_size)

    def forward(
        self, numbers: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits of the next token.

        Args:
            numbers: (B, T) int64.
            state: The state that the previous call returned; None at the start.

        Returns:
            Logits (B, T, V), and the state after the last step.
        """
        output, state = self.recurrent(self.embedding(numbers), state)
        return self.readout(self.dropout(output)), state


# ---------------------------------------------------------------- training


class NextNumber(Problem):
    """The training problem of a language model: predict the next token of parallel text streams.

    Args:
        model: `model(numbers, state)` returns logits (B, T, V) and the state to carry over.
        streams: The training text.
        evaluation: The validation text.
        characters_per_number: Mean number of characters per token, in the training and the
            validation text.
    """

    goal, higher_is_better, unit = "held_out_bits", False, "char"

    def __init__(
        self,
        model: nn.Module,
        streams: ParallelStreams,
        evaluation: EvaluationText,
        characters_per_number: tuple[float, float],
    ):
        self.model, self.streams, self.evaluation, self.characters = (
            model,
            streams,
            evaluation,
            characters_per_number,
        )
        self.steps_per_epoch = streams.steps_per_epoch
        self.rate = streams.batch * streams.length * characters_per_number[0]

    def batch(self, step, process=0, processes=1):
        return tuple(
            torch.from_numpy(numbers[process::processes]) for numbers in self.streams.at(step)
        )

    def loss(self, batch, carried):
        x, y = batch
        logits, state = self.model(x, carried)
        return (
            F.cross_entropy(logits.flatten(0, 1), y.reshape(-1), reduction="sum"),
            y.numel(),
            state,
        )

    def held_out(self):
        return ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in self.evaluation)

    def evaluator(self):
        return LanguageModelLoss(self.model, self.characters[1])

    def trained(self, loss):
        return {"training_bits": self._bits(loss)}

    def shown(self, loss):
        return f"loss {loss:.3f}  {self._bits(loss):.2f} bits"

    def _bits(self, loss):
        return loss / math.log(2) / self.characters[0]


class LanguageModelLoss:
    """Accumulates the cross-entropy of a language model over a validation text, in order."""

    def __init__(self, model: nn.Module, characters: float = 1.0):
        self.model, self.characters, self.state, self.nats, self.count = (
            model,
            characters,
            None,
            0.0,
            0,
        )

    def add(self, batch):
        """Add a batch; the state is carried over to the next."""
        x, y = batch
        logits, self.state = self.model(x, self.state)
        self.nats += (
            F.cross_entropy(
                logits.flatten(0, 1),
                y.reshape(-1),
                ignore_index=EvaluationText.NOTHING,
                reduction="sum",
            )
            .double()
            .item()
        )
        self.count += int((y != EvaluationText.NOTHING).sum())

    def result(self) -> dict[str, float]:
        """Bits per character."""
        return {"held_out_bits": self.nats / self.count / math.log(2) / self.characters}


@torch.no_grad()
def measure(model: nn.Module, held_out: EvaluationText) -> float:
    """Mean cross-entropy of a text in nats per token."""
    device = next(model.parameters()).device
    nats = LanguageModelLoss(model.eval())
    for batch in held_out:
        nats.add(tuple(torch.from_numpy(numbers).to(device) for numbers in batch))
    return nats.nats / nats.count


# ---------------------------------------------------------------- the task


class Generator(Task):
    """Generates text in the style of a text, one character or byte-pair token at a time.

    Data is a UTF-8 text file, or a list of texts in memory, which are concatenated. `predict` takes
    a file with a prompt per line, or a list of prompts.

    Args:
        options: The options of `GenerateOptions`, by name.

    Example:
        >>> from ostinato.tasks import Generator
        >>> model = Generator(hidden=16, batch=4, sequence_length=16,
        ...     steps=60).fit(["가나다 abc\\n" * 100])
        >>> model.generate("가나", length=6, temperature=0.1)
        '다 abc\\n'
    """

    name, Options, goal, higher_is_better = "generate", GenerateOptions, "held_out_bits", False
    line_is, use_does, takes_labels = "the beginning of a text", "generate text", False
    vocabulary_from_json = staticmethod(vocabulary_from_json)

    def given_rows(self, data, labelled):
        return (
            TextExamples([compose("".join(data))], source="the given text")
            if labelled
            else Examples({"prompt": list(data)}, source="the given text")
        )

    def split(self, every):
        options = self.options
        learned, measured = super().split(every)
        needed = math.ceil(options.batch * options.sequence_length / (1 - options.held_out)) + 10
        if len(every) < needed or len(measured) < 2:
            raise InputError(
                f"{every.source!r} has {len(every)} characters; {options.batch} streams of "
                f"{options.sequence_length} and the held-out part take {needed} at least: give a "
                "longer text, or write --batch 4 --sequence-length 16"
            )
        return learned, measured

    def prepare(self, learned, every):
        self.metadata = Metadata()
        self.vocabulary = make_vocabulary(
            self.options.vocabulary, self.options.vocabulary_size, learned_from=learned, every=every
        )
        return {}

    def check(self):
        if self.vocabulary is None or self.vocabulary.kind != self.options.vocabulary:
            raise InputError(
                f"its vocabulary does not match the option 'vocabulary', {self.options.vocabulary}"
            )

    def build(self):
        return LanguageModel(len(self.vocabulary), self.options)

    def epochs(self, rows):
        return 10.0

    def encode(self, examples):
        numbers = StoredNumbers(np.min_scalar_type(len(self.vocabulary) - 1))
        for chunk in examples:
            numbers.extend(self.vocabulary.encode(chunk))
        return numbers

    def problem(self, learned, measured):
        numbers = [self.encode(learned), self.encode(measured)]
        scale = len(learned) / len(numbers[0]), len(measured) / len(numbers[1])
        streams = ParallelStreams(
            numbers[0], batch=self.options.batch, length=self.options.sequence_length
        )
        return NextNumber(self.model, streams, EvaluationText(numbers[1][:WATCHED_TOKENS]), scale)

    def compute_metrics(self, examples):
        numbers = self.encode(examples)
        if len(numbers) < 2:
            raise InputError(
                f"{examples.source!r} is too short to evaluate: {len(examples)} characters; give a "
                "longer text"
            )
        # the first token is given and not predicted
        tokens = len(numbers) - 1
        return metrics.language(
            measure(self.model, EvaluationText(numbers)) * tokens,
            tokens,
            tokens * len(examples) / len(numbers),
        )

    def answers(self, examples):
        for number, prompt in enumerate(examples["prompt"], 1):
            try:
                self._numbers(prompt)
            except InputError as error:
                several = len(examples["prompt"]) > 1
                where = f"{examples.source} line {number}: " if several else ""
                raise InputError(f"{where}{error}") from error
        return [{"text": self.generate(prompt, length=200)} for prompt in examples["prompt"]]

    def shown(self, answer):
        return " ".join(answer["text"].split())

    def sample(self):
        return self.generate(length=300, temperature=0.7, seed=1)

    def inside(self, data):
        numbers = self._numbers(data[0])
        x = self.model.embedding(torch.from_numpy(numbers).long()[None]).detach()
        shown = (
            self.vocabulary.tokens
            if self.vocabulary.kind == "character"
            else [token.decode("utf-8", "replace") for token in self.vocabulary.token_bytes]
        )

        def logits(x_TI):
            return self.model.readout(self.model.recurrent(x_TI[None])[0][0, -1])

        likeliest = int(logits(x[0]).argmax())
        return Inside(
            self.model.recurrent,
            x,
            [repr(shown[number])[1:-1] for number in numbers],
            lambda x: logits(x)[likeliest],
            f"logit of {shown[likeliest]!r} as the next token",
        )

    def report_parts(self, examples):
        texts = {
            temperature: self.generate(length=300, temperature=temperature, seed=1)
            for temperature in (0.3, 0.7, 1.0)
        }
        tokens = len(self.vocabulary)
        uniform = math.log2(tokens) * len(self.encode(examples)) / max(1, len(examples))
        return {
            "baselines": {
                f"a uniform guess among {tokens:,} tokens": {"bits_per_character": uniform}
            },
            "examples": {
                "Generated text": [
                    {"temperature": temperature, "text": text}
                    for temperature, text in texts.items()
                ]
            },
        }

    def _report(self, out, config, measured):
        from ..training.figures import learning_curve

        super()._report(out, config, measured)
        options, result = self.options, self.result
        title = (
            f"{options.cell}, {options.layers} x {options.hidden}: {result.steps} steps in "
            f"{result.seconds:.0f} s"
        )
        # a checkpoint from elsewhere may lack a value
        history = [line for line in result.history if line["held_out_bits"] is not None]
        if history:
            learning_curve(history, out / CURVE, title=title)

    # ---------------------------------------------------------------- writing

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        seed: int = 0,
        beams: int | None = None,
    ) -> str:
        """Generate text after a prompt; the arguments are those of `stream`."""
        return "".join(
            self.stream(prompt, length=length, temperature=temperature, seed=seed, beams=beams)
        )

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        seed: int = 0,
        beams: int | None = None,
    ) -> Iterator[str]:
        """Generate text after a prompt, one character at a time, each as soon as it is known.

        The names and defaults are those of `ostinato generate`, except that the seed there is
        random by default.

        Args:
            prompt: The text to continue; it is not repeated in the output. Without a prompt, the
                text starts as after a line end.
            length: Number of characters.
            temperature: Sampling temperature: 1 samples from the model's distribution; lower values
                favour probable tokens.
            seed: Random seed; the same seed writes the same text.
            beams: Use beam search with this many beams instead of sampling. The text is returned at
                once and tends to repeat itself.

        Raises:
            InputError: The prompt has a character that is not in the vocabulary, or an argument is
                out of range.
        """
        # arguments are checked at the call, not at the first character
        self._require_model()
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise InputError(
                f"--length {length}: write the number of characters to generate, 0 or more, such "
                "as 500"
            )
        if not 0.001 <= temperature <= 100:
            raise InputError(
                f"--temperature {temperature:g}: write a number from 0.001 to 100; 0.01 takes the "
                "most probable token almost always, 1 samples from the model's distribution"
            )
        if not 0 <= seed < 2**63:
            raise InputError(f"--seed {seed}: write a whole number from 0 to {2**63 - 1}")
        if beams is not None and not 1 <= beams <= 1000:
            raise InputError(f"--beams {beams}: write a whole number from 1 to 1000, such as 5")
        numbers = self._numbers(prompt)
        written = (
            self._searched(numbers, length, beams)
            if beams
            else self._drawn(numbers, temperature, torch.Generator().manual_seed(seed))
        )
        return self._spelled(written, length)

    def _numbers(self, prompt: str):
        start = (
            "\n"
            if self.vocabulary.kind != "character" or "\n" in self.vocabulary.numbers
            else self.vocabulary.tokens[0]
        )
        return self.vocabulary.encode(given_text(prompt, "--prompt ") or start)

    def _spelled(self, numbers: Iterator[int], left: int) -> Iterator[str]:
        decoder = self.vocabulary.decoder()
        while left and (number := next(numbers, None)) is not None:
            for character in decoder.feed(number)[:left]:
                left -= 1
                yield character

    @torch.no_grad()
    def _drawn(self, numbers, temperature: float, generator) -> Iterator[int]:
        model = self.model
        stream = model.recurrent.stream()
        for number in numbers:
            output = stream.step(model.embedding(torch.tensor([int(number)])))
        while True:
            logits = model.readout(output)[0].double() / temperature
            if not torch.isfinite(logits).all():
                raise InputError(
                    "the model's output is not finite (nan or infinity); train it again with a "
                    "smaller --learning-rate"
                )
            number = int(torch.multinomial(torch.softmax(logits, 0), 1, generator=generator))
            yield number
            output = stream.step(model.embedding(torch.tensor([number])))

    def _searched(self, numbers, length: int, beams: int) -> Iterator[int]:
        def step(tokens, states):
            logits, states = self.model(tokens[:, None], states)
            return torch.log_softmax(logits[:, 0], 1), states, None

        with torch.no_grad():
            read = torch.from_numpy(numbers).long()[None]
            states = self.model(read[:, :-1])[1] if len(numbers) > 1 else None
            found = beam_search(
                states,
                step,
                batch=1,
                start=int(numbers[-1]),
                end=None,
                length=max(1, length),
                beams=beams,
                dimension=1,
            )
        yield from found[0][0].tokens
