"""The CPU engine: plans made into kernels, run on tensors, inside torch's autograd."""

import functools
import weakref
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..graph import Graph, Node, walk
from ..plan import Plan, Program
from . import native, reference
from .kernel import WORDS, Kernel, Pack

BITS = {torch.float32: 32, torch.float64: 64}

# Multiply-adds below which a second thread costs more than it brings.
WORTH_A_THREAD = 200_000
# Multiply-adds a step from which threads share the units of one row, meeting at every phase.
WORTH_A_MEETING = 60_000


def refusal(inputs, states, weights) -> str | None:
    """Why this engine cannot run these tensors; None where it can."""
    target, why = native.host()
    if target is None:
        return why
    tensors = [*inputs, *states, *weights.values()]
    for t in tensors:
        if t.device.type != "cpu":
            return f"a tensor is on {t.device}: the cpu engine works on the CPU's own memory"
        if t.dtype not in BITS:
            return f"a tensor is {t.dtype}: the cpu engine has float32 and float64"
    if len({t.dtype for t in tensors}) > 1:
        return "the tensors are of several dtypes"
    if inputs[0].shape[0] == 0 or inputs[0].shape[1] == 0:
        return "there is no step or no row to run"
    if torch.compiler.is_compiling() or any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors):
        return "the call is being traced or transformed"
    return None


# ---------------------------------------------------------------- compiled loops


class Loop:
    """One compiled loop of a plan: its kernel and the packed weights it uses."""

    def __init__(self, program: Program, bits: int, *, descending: bool, one_row: bool, shared_units: bool):
        target, _ = native.host()
        self.program = program
        self.kernel = Kernel(program, bits, target, descending=descending, one_row=one_row, shared_units=shared_units,
                             openmp=native.openmp() is not None)
        self.function = native.Function(self.kernel.text)
        self._packed: OrderedDict = OrderedDict()

    def packed(self, weights: dict[str, Tensor]) -> list[Tensor]:
        """The kernel's matrices, packed anew only where a weight has changed."""
        used = [weights[name] for name in dict.fromkeys(part[0] for pack in self.kernel.packs for part in pack.parts)]
        key = tuple(map(id, used))
        stamp = tuple(map(_stamp, used))
        found = self._packed.get(key)
        if found and found[0] == stamp and all(ref() is w for ref, w in zip(found[1], used)):
            self._packed.move_to_end(key)
            return found[2]
        with torch.no_grad():
            packed = [_pack(pack, weights) for pack in self.kernel.packs]
        self._packed[key] = (stamp, [weakref.ref(w, lambda _: self._packed.pop(key, None)) for w in used], packed)
        while len(self._packed) > 64:
            self._packed.popitem(last=False)
        return packed

    def run(self, schedule: "Schedule", arrays: dict[str, Tensor], weights: dict[str, Tensor], threads: int):
        """Run all steps. `arrays` holds every storage but the scratch, which is made here."""
        kernel, rows = self.kernel, schedule.rows
        like = next(iter(arrays.values()))
        for name in ("scratch", "sum"):
            if name in self.program.buffers:
                arrays[name] = _scratch(like, rows, self.program.buffers[name].width)
        if kernel.sums:
            arrays["partial"] = like.new_zeros(rows * kernel.sums * kernel.lanes)
        if kernel.aside:
            arrays["aside"] = _scratch(like, rows * (threads if kernel.shared_units else 1), kernel.aside)
        packed = self.packed(weights)
        barrier = np.zeros(8, np.int64)
        words = np.array([schedule.tasks, schedule.table.ctypes.data, schedule.tokens.ctypes.data, schedule.advance,
                          schedule.before, schedule.after, rows, barrier.ctypes.data,
                          *(arrays[name].data_ptr() for name in kernel.storages), *(p.data_ptr() for p in packed)], np.int64)
        assert len(words) == len(WORDS) + len(kernel.storages) + len(packed)
        self.function(words.ctypes.data, threads)


def _scratch(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape)


def _stamp(w: Tensor):
    """What changes when a weight's numbers do. Torch's version misses a change made through `.data`: a sample of the
    numbers is looked at too."""
    flat = w.detach().reshape(-1) if w.is_contiguous() else w.detach().flatten()
    sample = flat[:: max(1, flat.numel() // 31)]
    return w.data_ptr(), None if w.is_inference() else w._version, tuple(sample.tolist())


def _pack(pack: Pack, weights: dict[str, Tensor]) -> Tensor:
    tile, lanes, blocks = pack.tile, pack.lanes, pack.blocks
    parts = []
    for name, transposed, row, column in pack.parts:
        matrix = weights[name].T if transposed else weights[name]
        part = matrix[row : row + pack.size, column : column + pack.depth].T
        if pack.size % (tile.vectors * lanes):
            part = torch.nn.functional.pad(part, (0, blocks * tile.vectors * lanes - pack.size))
        parts.append(part)
    # A chunk is some vectors of one part, or all vectors of some parts.
    together = max(1, tile.chunk // tile.vectors)
    inside = min(tile.chunk, tile.vectors)
    cut = torch.stack(parts).view(-1, together, pack.depth, blocks, tile.vectors // inside, inside, lanes)
    return cut.permute(3, 0, 4, 2, 1, 5, 6).contiguous()


class Plans:
    """A plan with its compiled loops, made as they are first needed."""

    def __init__(self, graph: Graph, sizes: dict[str, int]):
        self.plan = Plan(graph, sizes)
        self._loops: dict[tuple, Loop] = {}
        self.work = {kind: _multiply_adds(program) for kind, program in
                     (("infer", self.plan.infer), ("backward", self.plan.backward), ("train", self.plan.train))}

    def loop(self, kind: str, bits: int, one_row: bool, shared_units: bool) -> Loop:
        key = kind, bits, one_row, shared_units
        if key not in self._loops:
            self._loops[key] = Loop(getattr(self.plan, kind), bits, descending=kind == "backward", one_row=one_row,
                                    shared_units=shared_units)
        return self._loops[key]

    def split(self, kind: str, rows: int, steps: int) -> tuple[int, bool]:
        """How many threads run a loop, and whether they share units rather than rows."""
        threads, work = torch.get_num_threads(), self.work[kind]
        program: Program = getattr(self.plan, kind)
        if threads == 1 or work * rows * steps < WORTH_A_THREAD:
            return 1, False
        if rows < threads and work * rows >= WORTH_A_MEETING and not any(g.sums for g in program.groups):
            return threads, True
        return min(threads, rows), False


def _multiply_adds(program: Program) -> int:
    """Multiply-adds of one row and step; a pointwise operation counts as a few."""
    products = sum(v.size * a.size for g in program.groups for v in g.products for a in v.args)
    return products + sum(20 * g.size for g in program.groups)


_plans: dict[tuple, Plans] = {}
_keys: weakref.WeakKeyDictionary[Graph, str] = weakref.WeakKeyDictionary()


def plans(graph: Graph, sizes: dict[str, int]) -> Plans:
    """The plan and the kernels of a graph at these sizes; made once in a process."""
    if graph not in _keys:
        _keys[graph] = graph.key
    key = _keys[graph], tuple(sorted(sizes.items()))
    if key not in _plans:
        _plans[key] = Plans(graph, sizes)
    return _plans[key]


# ---------------------------------------------------------------- who runs which rows, and when


@dataclass(frozen=True)
class Schedule:
    """Which task runs which rows at which steps.

    Attributes:
        rows: Rows of the batch.
        tasks: Number of tasks.
        order: The row of the batch at each place; None where they are as given. Rows of a task go from the longest down.
        table, tokens: As the kernel takes them; `held` keeps what they point to.
        advance, before, after: As in `kernel.WORDS`.
    """

    rows: int
    tasks: int
    order: np.ndarray | None
    table: np.ndarray
    tokens: np.ndarray
    held: tuple
    advance: int
    before: int
    after: int


@functools.lru_cache(maxsize=256)
def _even(rows: int, steps: int, tasks: int, reverse: bool) -> Schedule:
    return _schedule(rows, steps, tasks, reverse, None)


def schedule(rows: int, steps: int, tasks: int, reverse: bool, lengths: Tensor | None) -> Schedule:
    """Share rows out over tasks; with lengths, so that each task has about the same number of steps to run."""
    if lengths is None:
        return _even(rows, steps, tasks, reverse)
    return _schedule(rows, steps, tasks, reverse, lengths.numpy())


def _schedule(rows, steps, tasks, reverse, lengths) -> Schedule:
    if lengths is None:
        order, ends = None, np.full(rows, steps, np.int64)
        bounds = [rows * k // tasks for k in range(tasks + 1)]
        shares = [np.arange(a, b) for a, b in zip(bounds, bounds[1:])]
    else:
        ends = lengths.astype(np.int64)
        falling = np.argsort(-ends, kind="stable")
        shares = [falling[k::tasks] for k in range(tasks)]
        order = np.concatenate(shares)
    places = np.concatenate(shares)
    tokens = np.ascontiguousarray(places + (ends[places] - 1) * rows if reverse else places, np.int64)
    table, held, first = np.zeros((tasks, 4), np.int64), [], 0
    for k, share in enumerate(shares):
        mine = np.sort(ends[share])
        last = int(mine[-1]) if len(mine) else 0
        active = np.ascontiguousarray(len(mine) - np.searchsorted(mine, np.arange(last), side="right"), np.int64)
        table[k] = first, last, active.ctypes.data, 0
        held.append(active)
        first += len(share)
    return Schedule(rows, tasks, order, table, tokens, tuple(held), -rows if reverse else rows, rows if reverse else 0, 0 if reverse else rows)


# ---------------------------------------------------------------- one call


class Call:
    """One run over a sequence: the tensors of forward, as backward finds them."""

    def __init__(self, graph: Graph, inputs, states, weights: dict[str, Tensor], lengths: Tensor | None, reverse: bool):
        self.graph, self.reverse = graph, reverse
        self.inputs, self.states = inputs, states
        self.weights = weights
        self.lengths = lengths
        self.sizes = graph.bind(inputs, states, weights)
        self.plans = plans(graph, self.sizes)
        self.plan = self.plans.plan
        self.steps, self.rows = inputs[0].shape[:2]
        self.bits = BITS[inputs[0].dtype]

    def _new(self, *shape: int) -> Tensor:
        """A stream: what no step writes must be 0 where rows end early."""
        return (self.inputs[0].new_empty if self.lengths is None else self.inputs[0].new_zeros)(shape)

    def _valid(self) -> Tensor:
        return (torch.arange(self.steps)[:, None] < self.lengths)[..., None]

    def _prepare(self, kind: str) -> tuple[Loop, Schedule, int]:
        threads, shared = self.plans.split(kind, self.rows, self.steps)
        tasks = 1 if shared else threads
        one_row = self.rows <= tasks
        return self.plans.loop(kind, self.bits, one_row, shared), schedule(self.rows, self.steps, tasks, self.reverse, self.lengths), threads

    def _node(self, kind: str, name: str) -> Node:
        declared = self.graph.inputs if kind == "input" else self.graph.states
        return self.graph.builder.node(kind, (), name, declared[name])

    def forward(self, keep: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the loop.

        Args:
            keep: Keep what backward needs.
        """
        plan, graph = self.plan, self.graph
        kind = "train" if keep else "infer"
        loop, when, threads = self._prepare(kind)
        program = loop.program
        if keep and self.lengths is not None:
            valid = self._valid()
            self.inputs = tuple(torch.where(valid, x, 0.0) for x in self.inputs)
        self.inputs = tuple(x.contiguous() for x in self.inputs)
        values: dict[Node, Tensor] = {self._node("input", name): x for name, x in zip(graph.inputs, self.inputs)}
        reference.evaluate(walk(plan.before), values, self.weights, self.sizes)
        arrays = {}
        for name, x in zip(graph.inputs, self.inputs):
            arrays[f"input {name}"] = x
        for name, w in self.weights.items():
            arrays[f"weight {name}"] = w.contiguous()
        for n in plan.before:
            values[n] = arrays[plan.stream(n)] = values[n].expand(self.steps, self.rows, -1).contiguous()
        self.carried, self.streamed = {}, {}
        for name, s in zip(graph.states, self.states):
            buffer = program.buffers.get(f"next {name}") or program.buffers[f"state {name}"]
            if buffer.rows in ("after", "before"):
                stream = self._new(self.steps + 1, self.rows, buffer.width)
                self._first(stream).copy_(s) if self.lengths is None else self._scatter_first(stream, s)
                arrays[f"state {name}"] = self.streamed[name] = stream
            else:
                pair = s.new_empty(2, self.rows, buffer.width)
                pair[0] = s if when.order is None else s[when.order]
                arrays[f"state {name}"] = self.carried[name] = pair
        for name, buffer in program.buffers.items():
            if buffer.storage not in arrays and buffer.rows == "token":
                arrays[name] = self._new(self.steps * self.rows, buffer.width)
        loop.run(when, arrays, self.weights, threads)

        self.values = self._known(values, arrays, plan.forward_streams if keep else plan.infer_streams)
        output = self._output()
        final = tuple(self._final(name, when) for name in graph.states)
        if keep:
            self.kept = arrays.get("kept")
        return output, final

    def _first(self, stream: Tensor) -> Tensor:
        return stream[self.steps if self.reverse else 0]

    def _scatter_first(self, stream: Tensor, s: Tensor):
        stream[self.lengths if self.reverse else torch.zeros_like(self.lengths), torch.arange(self.rows)] = s

    def _known(self, values, arrays, streams) -> dict[Node, Tensor]:
        """The nodes that lie there for all steps at once, each (T, B, its size)."""
        graph, plan = self.graph, self.plan
        for (name, stream), node in ((item, graph.new_states[list(graph.states).index(item[0])]) for item in self.streamed.items()):
            early, late = (stream[1:], stream[:-1]) if self.reverse else (stream[:-1], stream[1:])
            values[self._node("state", name)] = early
            if node in plan.stateful:
                values.setdefault(node, late)
        for n in streams:
            if plan.stream(n) in arrays:
                values[n] = arrays[plan.stream(n)].view(self.steps, self.rows, -1)
        return values

    def _output(self) -> Tensor:
        output = self.graph.output
        if self.plan.after:
            reference.evaluate(walk([output]), self.values, self.weights, self.sizes) if output not in self.values else None
        result = self.values[output].expand(self.steps, self.rows, -1)
        if self.lengths is not None and (self.plan.after or self.reverse):
            result = torch.where(self._valid(), result, 0.0)
        return result

    def _final(self, name: str, when: Schedule) -> Tensor:
        rows = torch.arange(self.rows)
        if name in self.streamed:
            stream = self.streamed[name]
            if self.lengths is None or self.reverse:
                return stream[0 if self.reverse else self.steps].clone()
            return stream[self.lengths, rows]
        pair = self.carried[name]
        if when.order is None:
            return pair[self.steps % 2].clone()
        order = torch.from_numpy(when.order)
        result = torch.empty_like(pair[0])
        result[order] = pair[self.lengths[order] % 2, rows]
        return result

    def backward(self, d_output: Tensor, d_states, wanted: set[str]):
        """Run the backward loop and what comes after it.

        Args:
            d_output: The gradient of the outputs, (T, B, size of the output).
            d_states: The gradients of the final states, (B, size).
            wanted: Names of the inputs and weights whose gradient is asked for.

        Returns:
            The gradients by name: of inputs and weights, and of the initial states under "state NAME".
        """
        plan, graph, derived = self.plan, self.graph, self.plan.derived
        loop, when, threads = self._prepare("backward")
        program = loop.program
        if self.lengths is not None:
            d_output = torch.where(self._valid(), d_output, 0.0)
        d_output = d_output.contiguous()
        values = dict(self.values)
        gradient = graph.builder.node("gradient", (), "output", graph.output.size)
        values[gradient] = d_output
        arrays = {f"weight {name}": w.contiguous() for name, w in self.weights.items()}
        arrays |= {f"input {name}": x for name, x in zip(graph.inputs, self.inputs)}
        arrays |= {f"state {name}": s for name, s in self.streamed.items()}
        arrays |= {"gradient output": d_output, "kept": self.kept}
        reference.evaluate(self._missing(plan.before_backward, values), values, self.weights, self.sizes)
        for n in (*plan.before, *plan.before_backward):
            arrays[plan.stream(n)] = values[n].expand(self.steps, self.rows, -1).contiguous()
        pairs = {}
        for name, d in zip(graph.states, d_states):
            if f"gradient {name}" in program.buffers or f"earlier {name}" in program.buffers:
                d = d if when.order is None else d[when.order]
                arrays[f"gradient {name}"] = pairs[name] = torch.stack([d, d])
        for name, buffer in program.buffers.items():
            if buffer.rows == "added":
                arrays[name] = d_output.new_zeros(when.tasks, buffer.width)
            elif name.startswith("backward "):
                arrays[name] = self._new(self.steps * self.rows, buffer.width)
        loop.run(when, arrays, self.weights, threads)

        result = {}
        for name, pair in pairs.items():
            result[f"state {name}"] = pair[0]
            if when.order is not None:
                result[f"state {name}"] = torch.empty_like(pair[0]).index_copy_(0, torch.from_numpy(when.order), pair[0])
        for n in plan.backward_streams:
            values[n] = arrays[plan.stream(n)].view(self.steps, self.rows, -1)
        for name, node in derived.inputs.items():
            if name in wanted:
                result[name] = self._everywhere(node, values)
        for name, terms in derived.products.items():
            if name in wanted:
                total = None
                for g, a in terms:
                    g, a = (self._everywhere(n, values).reshape(self.steps * self.rows, -1) for n in (g, a))
                    total = g.T @ a if total is None else total.addmm_(g.T, a)
                result[name] = total
        for name, node in derived.vectors.items():
            if name in wanted:
                result[name] = arrays[f"added {name}"].sum(0) if name in plan.added else self._everywhere(node, values).sum((0, 1))
        return result

    def _missing(self, nodes, values) -> list[Node]:
        """What has to be worked out for these nodes, stopping at what is known."""
        order, seen, stack = [], set(), [(n, False) for n in nodes]
        while stack:
            n, ready = stack.pop()
            if ready:
                order.append(n)
            elif n not in seen and n not in values:
                seen.add(n)
                stack.append((n, True))
                stack.extend((a, False) for a in n.args)
        return order

    def _everywhere(self, node: Node, values) -> Tensor:
        reference.evaluate(self._missing([node], values), values, self.weights, self.sizes)
        return values[node].expand(self.steps, self.rows, -1)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, graph, lengths, reverse, *tensors):
        inputs, states, weights = _unflatten(graph, tensors)
        call = Call(graph, inputs, states, weights, lengths, reverse)
        output, final = call.forward(keep=True)
        ctx.call = call
        ctx.save_for_backward(*tensors, output)
        return output, *final

    @staticmethod
    def backward(ctx, d_output, *d_states):
        *tensors, _ = ctx.saved_tensors
        call: Call = ctx.call
        graph = call.graph
        names = [*graph.inputs, *(f"state {name}" for name in graph.states), *graph.weights]
        if torch.is_grad_enabled():
            # A derivative of this derivative is asked for: the reference engine gives one that has derivatives itself.
            inputs, states, weights = _unflatten(graph, tensors)
            output, final = reference.scan(graph, inputs=inputs, states=states, weights=weights, lengths=call.lengths, reverse=call.reverse)
            wanted = [t for t, need in zip(tensors, ctx.needs_input_grad[3:]) if need]
            found = iter(torch.autograd.grad([output, *final], wanted, [d_output, *d_states], create_graph=True, allow_unused=True))
            return None, None, None, *(next(found) if need else None for need in ctx.needs_input_grad[3:])
        wanted = {name for name, need in zip(names, ctx.needs_input_grad[3:]) if need}
        found = call.backward(d_output, d_states, wanted)
        return None, None, None, *(found.get(name) if name in wanted else None for name in names)


def _unflatten(graph: Graph, tensors):
    a, b = len(graph.inputs), len(graph.inputs) + len(graph.states)
    return tuple(tensors[:a]), tuple(tensors[a:b]), dict(zip(graph.weights, tensors[b:], strict=True))


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor, ...],
    weights: dict[str, Tensor],
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence; the arguments and results are `reference.scan`'s."""
    weights = {name: weights[name] for name in graph.weights}
    if lengths is not None:
        lengths = lengths.to("cpu", torch.int64)
    tensors = (*inputs, *states, *weights.values())
    with torch.autocast("cpu", enabled=False):
        if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
            output, *final = _Scan.apply(graph, lengths, reverse, *tensors)
            return output, tuple(final)
        with torch.no_grad():
            return Call(graph, inputs, states, weights, lengths, reverse).forward(keep=False)
