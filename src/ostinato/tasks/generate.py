"""The task of writing text: a language model, from a text file to a directory, and from the directory to new text."""

import difflib
import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import CELLS
from ..data import VOCABULARIES, HeldOut, Lanes, characters, compose, make_vocabulary, read_text, vocabulary_from_json
from ..errors import InputError
from ..files import UNFINISHED, read_json, read_tensors, write_json, write_tensors
from ..layers import Recurrent
from ..problem import Problem

FORMAT, VERSION = "ostinato language model", 1
CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT = "config.json", "vocabulary.json", "model.safetensors", "checkpoint.safetensors"
# torch's own layer for a cell, to compare with: the same start, loop and steps.
TORCH_LAYERS = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
ENGINES = ("cpu", "reference", "torch")
# While a run goes on it is measured on so many numbers of the held-out text at most, to spend its time on training.
WATCHED = 50_000


# ---------------------------------------------------------------- options


@dataclass(frozen=True)
class Options:
    """What a person chooses for a run; the command line has an option of the same name for each.

    Args:
        cell: A name in `ostinato.cells.CELLS`.
        hidden: H, units of each layer.
        layers: L.
        embedding: Units that stand for one character or piece.
        dropout: Rate between the layers and before the readout.
        vocabulary: "character" or "byte-pair".
        vocabulary_size: V of a byte-pair vocabulary.
        epochs: How many times to read the text; 10 where no budget is given.
        steps: Or how many steps to take.
        seconds: Or how long to train.
        batch: B, rows that read side by side.
        sequence_length: T, steps of time that gradients go back.
        learning_rate: The highest of the schedule.
        clip: The norm that gradients are cut to.
        held_out: The part at the end of the text that is measured on and never learned from.
        patience: Stop after so many measurements without a better one; 0 for never.
        seed: Of the weights and of dropout.
        device: "cpu" or "cuda".
        engine: What runs the cell: None to choose, or one of `ENGINES`; "torch" is torch.nn's own layer.
    """

    cell: str = "lstm"
    hidden: int = 256
    layers: int = 1
    embedding: int = 64
    dropout: float = 0.0
    vocabulary: str = "character"
    vocabulary_size: int = 1024
    epochs: float | None = None
    steps: int | None = None
    seconds: float | None = None
    batch: int = 32
    sequence_length: int = 64
    learning_rate: float = 0.01
    clip: float = 1.0
    held_out: float = 0.1
    patience: int = 5
    seed: int = 1
    device: str = "cpu"
    engine: str | None = None

    def __post_init__(self):
        self._one_of("cell", [*CELLS])
        self._one_of("vocabulary", VOCABULARIES)
        self._one_of("device", ("cpu", "cuda"))
        if self.engine is not None:
            self._one_of("engine", ENGINES)
        for name, low, high in (("hidden", 1, 16384), ("layers", 1, 64), ("embedding", 1, 16384), ("vocabulary_size", 257, 1_000_000),
                                ("batch", 1, 65536), ("sequence_length", 1, 65536), ("patience", 0, 10**6), ("seed", 0, 2**63 - 1),
                                ("steps", 1, 10**12)):
            self._within(name, low, high, whole=True)
        for name, low, high in (("dropout", 0, 0.99), ("learning_rate", 1e-9, 10), ("clip", 1e-9, 1e9), ("held_out", 0.001, 0.9),
                                ("epochs", 1e-6, 1e9), ("seconds", 0.1, 1e9)):
            self._within(name, low, high, whole=False)
        budgets = [f"{flag(name)} {getattr(self, name):g}" for name in ("epochs", "steps", "seconds") if getattr(self, name) is not None]
        if len(budgets) > 1:
            raise InputError(f"{' and '.join(budgets)}: a run has one budget; keep one of them")
        if self.engine == "torch" and self.cell not in TORCH_LAYERS:
            raise InputError(f"--engine torch with --cell {self.cell}: torch.nn has {', '.join(TORCH_LAYERS)}; leave --engine out")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: torch finds no such device here; write --device cpu, and see `ostinato doctor`")

    def _one_of(self, name, known):
        given = getattr(self, name)
        if given not in known:
            near = difflib.get_close_matches(str(given), known, 1)
            raise InputError(f"{flag(name)} {given}: " + (f"did you mean {near[0]}? " if near else "") + f"Write one of {', '.join(known)}")

    def _within(self, name, low, high, *, whole):
        given = getattr(self, name)
        if given is None and name in ("epochs", "steps", "seconds"):
            return
        form = "d" if whole else "g"
        right = isinstance(given, int) if whole else isinstance(given, (int, float))
        if not right or isinstance(given, bool) or not low <= given <= high:
            raise InputError(f"{flag(name)} {given}: write a {'whole ' if whole else ''}number from {low:{form}} to {high:{form}}"
                             + (f", such as {getattr(type(self), name)}" if getattr(type(self), name) is not None else ""))


def flag(name: str) -> str:
    """The command line's name for an option."""
    return "--" + name.replace("_", "-")


# ---------------------------------------------------------------- the model


class LanguageModel(nn.Module):
    """Numbers to embeddings, through recurrent layers, to a logit for each number that can come next.

    Args:
        vocabulary_size: V.
        options: Cell, sizes and dropout.
    """

    def __init__(self, vocabulary_size: int, options: Options):
        super().__init__()
        torch_layer = options.engine == "torch"
        letters = CELLS[options.cell].graph
        sizes = {letter: max(1, options.hidden // 2) for letter in (letters.letters | letters.output.size.letters) - {"I", "H"}}
        self.embedding = nn.Embedding(vocabulary_size, options.embedding)
        layer = Recurrent(options.cell, options.embedding, options.hidden, options.layers, sizes=sizes,
                          dropout=options.dropout if options.layers > 1 else 0.0, engine=None if torch_layer else options.engine)
        self.dropout = nn.Dropout(options.dropout)
        self.readout = nn.Linear(layer.output_size, vocabulary_size)
        self.recurrent = TorchTwin(layer, options) if torch_layer else layer

    def forward(self, numbers: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits of what comes next.

        Args:
            numbers: (B, T) int64.
            state: What the call before returned, or None at the start.

        Returns:
            Logits (B, T, V), and the state after the last step.
        """
        output, state = self.recurrent(self.embedding(numbers), state)
        return self.readout(self.dropout(output)), state


class TorchTwin(nn.Module):
    """torch.nn's own layer with the weights of one of ours: the same network, run by torch.

    Where ours has one bias, torch's second one is held at 0, so that both have the same parameters to learn.
    """

    def __init__(self, layer: Recurrent, options: Options):
        super().__init__()
        self.layer = TORCH_LAYERS[options.cell](layer.input_size, layer.hidden_size, layer.num_layers, batch_first=True, dropout=layer.dropout)
        with torch.no_grad():
            for number in range(layer.num_layers):
                weights = layer.cell_weights(number)
                self._take(f"weight_ih_l{number}", weights["W"])
                self._take(f"weight_hh_l{number}", weights["U"])
                self._take(f"bias_ih_l{number}", weights["b"])
                self._take(f"bias_hh_l{number}", weights.get("d"))

    def _take(self, name, value):
        parameter = getattr(self.layer, name)
        if value is None:
            parameter.zero_().requires_grad_(False)
        else:
            parameter.copy_(value)

    def forward(self, x, state=None):
        """As `Recurrent` does."""
        if state is not None and len(state) == 1:
            state = state[0]
        output, state = self.layer(x, state)
        return output, state if isinstance(state, tuple) else (state,)

    def stream(self) -> "_Steps":
        """As `Recurrent` does, for one row."""
        return _Steps(self)


class _Steps:
    """The stream of a `TorchTwin`."""

    def __init__(self, twin: TorchTwin):
        self.twin, self.state = twin, None

    def step(self, x_BI):
        output, self.state = self.twin(x_BI[:, None], self.state)
        return output[:, 0]


# ---------------------------------------------------------------- a trained model, on disk and in use


@dataclass
class Writer:
    """A trained model that writes text.

    Args:
        model: The model, in evaluation mode.
        vocabulary: Its vocabulary.
        config: What its config.json says.
    """

    model: LanguageModel
    vocabulary: object
    config: dict

    def write(self, prompt: str = "", *, length: int = 500, temperature: float = 0.8, seed: int = 0) -> Iterator[str]:
        """New text after a prompt, one character at a time, each as soon as it is known.

        Args:
            prompt: What the text starts with; it is not given back. Without one, the text starts as after a line's end.
            length: How many characters.
            temperature: 1 draws as the model believes, less makes likely characters likelier.
            seed: The same one writes the same text.

        Raises:
            InputError: A prompt with a character the model does not know, or an argument out of range.
        """
        # checked at the call, not when the first character is asked for
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise InputError(f"--length {length}: write how many characters to generate, 0 or more, such as 500")
        if not 0.001 <= temperature <= 100:
            raise InputError(f"--temperature {temperature:g}: write a number from 0.001 to 100; 0.01 takes the likeliest character "
                             "almost always, 1 draws as the model believes")
        if not 0 <= seed < 2**63:
            raise InputError(f"--seed {seed}: write a whole number from 0 to {2**63 - 1}")
        if any("\ud800" <= letter <= "\udfff" for letter in prompt):
            raise InputError(f"--prompt {prompt!r}: it is not UTF-8; write it in a UTF-8 terminal, or leave it out")
        numbers = self.vocabulary.encode(compose(prompt) or self._start())
        return self._write(numbers, length, temperature, torch.Generator().manual_seed(seed))

    def _start(self) -> str:
        return "\n" if self.vocabulary.kind != "character" or "\n" in self.vocabulary.numbers else self.vocabulary.tokens[0]

    @torch.no_grad()
    def _write(self, numbers, length, temperature, generator):
        model, decoder, left = self.model, self.vocabulary.decoder(), length
        stream = model.recurrent.stream()
        for number in numbers:
            output = stream.step(model.embedding(torch.tensor([int(number)])))
        while left:
            logits = model.readout(output)[0].double() / temperature
            if not torch.isfinite(logits).all():
                raise InputError("the model's weights give no numbers (nan or infinity); train it again with a smaller --learning-rate")
            number = int(torch.multinomial(torch.softmax(logits, 0), 1, generator=generator))
            for character in decoder.feed(number)[:left]:
                left -= 1
                yield character
            output = stream.step(model.embedding(torch.tensor([number])))


def load(directory: Path) -> Writer:
    """The model in a directory.

    Raises:
        InputError: There is no whole model in it; the message says what is missing or damaged.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"there is no model directory {str(directory)!r}; give the --out of `ostinato train generate`")
    config, options = read_config(directory, device="cpu")
    vocabulary = vocabulary_from_json(read_json(directory / VOCABULARY), path=directory / VOCABULARY)
    if not (directory / WEIGHTS).exists():
        raise InputError(f"the run in {str(directory)!r} has no model yet; go on with it: the same `ostinato train generate`, and --resume")
    model = LanguageModel(len(vocabulary), options)
    tensors, _ = read_tensors(directory / WEIGHTS)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{str(directory / WEIGHTS)!r} does not fit {str(directory / CONFIG)!r} ({str(error).splitlines()[-1].strip()}); "
                         "restore both from the same run, or train the model again") from error
    return Writer(model.eval(), vocabulary, config)


def read_config(directory: Path, **others) -> tuple[dict, Options]:
    """What config.json says, and the options in it, with others in place of some.

    Raises:
        InputError: It is damaged, of another program, or of another version.
    """
    path = Path(directory) / CONFIG
    config = read_json(path)
    if config.get("format") != FORMAT:
        raise InputError(f"{str(path)!r} says format {config.get('format')!r}; it should be {FORMAT!r}: "
                         "give the --out of `ostinato train generate`")
    if config.get("version") != VERSION:
        raise InputError(f"{str(path)!r} is of format version {config.get('version')!r} and this ostinato reads version {VERSION}; "
                         "use the ostinato that wrote it, or train the model again")
    try:
        return config, Options(**config["options"] | others)
    except (KeyError, TypeError, InputError) as error:
        raise InputError(f"{str(path)!r} has options that cannot be used ({error}); restore the file, or train the model again") from error


# ---------------------------------------------------------------- training


class NextNumber(Problem):
    """What comes next in a text, read in lanes with the state carried over.

    Args:
        model: `model(numbers, state)` gives logits (B, T, V) and the state to carry.
        lanes: The text it learns from.
        pieces: The text it is measured on.
        characters_per_number: How many characters one number stands for, on average, in training and in the held-out text.
    """

    goal, higher, unit = "held_out_bits", False, "char"

    def __init__(self, model: nn.Module, lanes: Lanes, pieces: HeldOut, characters_per_number: tuple[float, float]):
        self.model, self.lanes, self.pieces, self.characters = model, lanes, pieces, characters_per_number
        self.rate = lanes.batch * lanes.length * characters_per_number[0]

    def batch(self, step):
        return tuple(torch.from_numpy(numbers) for numbers in self.lanes.at(step))

    def loss(self, batch, carried):
        x, y = batch
        logits, state = self.model(x, carried)
        return F.cross_entropy(logits.flatten(0, 1), y.reshape(-1), reduction="sum"), y.numel(), state

    def held_out(self):
        return ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in self.pieces)

    def measuring(self):
        return Nats(self.model, self.characters[1])

    def trained(self, loss):
        return {"training_bits": self._bits(loss)}

    def shown(self, loss):
        return f"loss {loss:.3f}  {self._bits(loss):.2f} bits/char"

    def _bits(self, loss):
        return loss / math.log(2) / self.characters[0]


class Nats:
    """How well a model knew what came, over the pieces of a held-out text in order."""

    def __init__(self, model: nn.Module, characters: float = 1.0):
        self.model, self.characters, self.state, self.nats, self.count = model, characters, None, 0.0, 0

    def add(self, piece):
        """One piece; the state goes on to the next."""
        x, y = piece
        logits, self.state = self.model(x, self.state)
        self.nats += F.cross_entropy(logits.flatten(0, 1), y.reshape(-1), ignore_index=HeldOut.NOTHING, reduction="sum").double().item()
        self.count += int((y != HeldOut.NOTHING).sum())

    def result(self) -> dict[str, float]:
        """Bits per character."""
        return {"held_out_bits": self.nats / self.count / math.log(2) / self.characters}


@torch.no_grad()
def measure(model: nn.Module, held_out: HeldOut) -> float:
    """Nats per number of a held-out text."""
    device = next(model.parameters()).device
    nats = Nats(model.eval())
    for piece in held_out:
        nats.add(tuple(torch.from_numpy(numbers).to(device) for numbers in piece))
    return nats.nats / nats.count


@dataclass(frozen=True)
class Result:
    """How a run ended: the file config.json keeps it under "result"."""

    held_out_bits: float
    steps: int
    seconds: float
    characters: int
    stopped_early: bool
    history: list[dict]


def train(text_file: Path, out: Path, options: Options, *, resume: bool = False, given: frozenset[str] = frozenset(),
          threads: int | None = None, checkpoint_seconds: float = 10.0, watcher=None) -> Result:
    """Train a model of a text file, into a directory.

    Args:
        text_file: UTF-8 text.
        out: A directory that is new or empty; or, to resume, the one of the run.
        options: What is chosen.
        resume: Go on with the run in `out`, where there is one.
        given: The names of the options that the person chose; to resume, these are compared with the run's, and the run's own
            hold for all others.
        threads: CPU threads; None for as many as the run had before, or as there are cores. With another number of them sums are
            rounded in another order, and the numbers differ in their last digits.
        checkpoint_seconds: Seconds between checkpoints.
        watcher: A `ostinato.train.Watcher`.

    Returns:
        The result, on all of the held-out text.

    Raises:
        InputError: Anything given that cannot be used; then nothing has been written.
    """
    from .. import train as training

    out = Path(out)
    text = read_text(text_file)
    config = _resumed(out, text, options, given) if resume and _has_run(out) else None
    if config is None:
        _check_new(out, resume)
    else:
        options = Options(**config["options"])
    torch.set_num_threads(threads or (config or {}).get("threads") or cores())
    torch.manual_seed(options.seed)
    pieces = characters(text)
    boundary = round(len(pieces) * (1 - options.held_out))
    parts = "".join(pieces[:boundary]), "".join(pieces[boundary:])
    needed = math.ceil(options.batch * options.sequence_length / (1 - options.held_out)) + 10
    if len(pieces) < needed or len(pieces) - boundary < 2:
        raise InputError(f"{str(text_file)!r} has {len(pieces)} characters; {options.batch} rows of {options.sequence_length} and the part "
                         f"held out take {needed} at least: give a longer text, or write --batch 4 --sequence-length 16")
    if config is None:
        vocabulary = make_vocabulary(options.vocabulary, options.vocabulary_size, learned_from=parts[0], held_out=parts[1])
    else:
        vocabulary = vocabulary_from_json(read_json(out / VOCABULARY), path=out / VOCABULARY)
    learned, measured = (vocabulary.encode(part) for part in parts)
    lanes = Lanes(learned, batch=options.batch, length=options.sequence_length)
    budget = training.Budget(options.steps, options.seconds)
    if budget.steps is None and budget.seconds is None:
        budget = training.Budget(math.ceil((options.epochs or 10) * lanes.steps_per_epoch))
    model = LanguageModel(len(vocabulary), options)
    if config is None:
        config = {"format": FORMAT, "version": VERSION, "options": asdict(options), "text": _digest(text), "threads": torch.get_num_threads()}
        _make(out)
        write_json(out / VOCABULARY, vocabulary.to_json())
        write_json(out / CONFIG, config)
    scale = (boundary / len(learned), (len(pieces) - boundary) / len(measured))
    progress = training.fit(
        NextNumber(model, lanes, HeldOut(measured[:WATCHED]), scale), budget=budget, learning_rate=options.learning_rate,
        clip=options.clip, patience=options.patience, checkpoint=out / CHECKPOINT, checkpoint_seconds=checkpoint_seconds, keep_best=lambda: write_tensors(out / WEIGHTS, model.state_dict()), watcher=watcher, device=options.device)
    best, _ = read_tensors(out / WEIGHTS)
    model.load_state_dict(best)
    bits = measure(model, HeldOut(measured)) / math.log(2) / scale[1]
    result = Result(bits, progress.step, round(progress.seconds, 2), round(progress.step * options.batch * options.sequence_length * scale[0]),
                    progress.waited > 0 and not budget.is_used_up(progress.step, progress.part), progress.history)
    write_json(out / CONFIG, config | {"result": asdict(result)})
    return result


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _has_run(out: Path) -> bool:
    return (out / CONFIG).exists()


def _check_new(out: Path, resume: bool) -> None:
    """An error unless a new run can go to a directory."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: there is a file of that name; give a directory that is new or empty")
    # a run killed before its first file was whole leaves no run, only these
    begun = {f".{name}{UNFINISHED}" for name in (CONFIG, VOCABULARY)} | ({VOCABULARY} if resume else set())
    if out.is_dir() and set(os.listdir(out)) - begun:
        mend = "give another --out, or add --resume to go on with the run in it" if _has_run(out) else "it holds no run; give another --out"
        raise InputError(f"--out {out}: the directory is not empty; {mend}")


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot make this directory ({error.strerror}); give a place that can be written") from error


def _resumed(out: Path, text: str, options: Options, given: frozenset[str]) -> dict:
    """The configuration of the run in a directory, if what is given is the same."""
    config, saved = read_config(out)
    for name in (f.name for f in fields(Options) if f.name in given):
        if getattr(options, name) != getattr(saved, name):
            was = getattr(saved, name)
            raise InputError(f"{flag(name)} {getattr(options, name)} with --resume: the run in {str(out)!r} "
                             + (f"has {flag(name)} {was}" if was is not None else f"was started without {flag(name)}")
                             + "; leave the option out, or start anew with another --out")
    if config.get("text") != _digest(text):
        raise InputError(f"--resume: the text is not the one that the run in {str(out)!r} was started with; "
                         "give that text, or start anew with another --out")
    return config
