"""Private: the work before, in and after the time loop: a graph and its backward step, at given
sizes, prepared for a kernel.

The loop's part is lowered to `Value`s: every split, concat and pad is resolved, so that all values
of one pointwise expression have the same units side by side, and is cut into phases. A phase is
products of values that are complete (the states, or what an earlier phase made), followed by
pointwise work; a sum over units also ends a phase.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..language.graph import ONE, Graph, Node, Size, walk
from .gradient import Backward, derive

# Results that forward keeps for backward rather than have them worked out again, and that no phase
# works out twice.
COSTLY = {"sigmoid", "tanh", "exp", "log", "softplus"}

# The row of a product that is made outside the loop has a multiple of this many numbers, so that
# the last vectors have room.
ROW = 32


class Value:
    """One lowered value of `size` units, or of 1 that goes with any.

    Attributes:
        op: read, number, product, sum, widen (a value of 1 made `size` wide), or a pointwise op.
        args: Values of the same size, or of size 1; the arguments of a product or of a sum, of any
            size.
        ref: (buffer, offset) of a read; the number; of a product, for each argument (weight,
            transposed, row, column): where the block that multiplies it begins; of a sum over all
            units of its arguments, what the sum is divided by.
        size: Units.
    """

    __slots__ = ("op", "args", "ref", "size")

    def __init__(self, op, args, ref, size):
        self.op, self.args, self.ref, self.size = op, args, ref, size

    def __repr__(self):
        return f"<{self.op} {self.ref if self.ref is not None else ''} [{self.size}]>"


@dataclass(frozen=True)
class Buffer:
    """Where rows of values lie.

    Attributes:
        storage: The array's name; two buffers may be views of one array.
        rows: How a row is found: token (one for each step and row of the batch), before / after
            (the state's stream, before or after the step), old / new (two rows in turn), row
            (scratch of this step), constant (one for each row of the batch), byte (as token, a byte
            for each unit), fixed (one for all), added (one for all, added up).
        width: Units in a row.
    """

    storage: str
    rows: str
    width: int


@dataclass
class Group:
    """Work on all units of one size within one phase.

    Attributes:
        level: The phase, from 0.
        size: Units.
        stores: (value, buffer, offset): what is written.
        sums: Values whose units are added to a sum, and the sum's place in the buffer "sum".
        products: The products that the stores and sums need.
    """

    level: int
    size: int
    stores: list[tuple[Value, str, int]] = field(default_factory=list)
    sums: list[tuple[Value, int]] = field(default_factory=list)
    products: list[Value] = field(default_factory=list)


@dataclass
class Program:
    """The loop's part of one direction of the computation: groups in order, and the buffers they
    use.
    """

    groups: list[Group]
    buffers: dict[str, Buffer]
    homes: dict[Value, tuple[str, int]]
    levels: dict[Value, int]

    @property
    def phases(self) -> int:
        return 1 + max((g.level for g in self.groups), default=-1)

    def finished_sums(self, level: int) -> list[tuple[int, int]]:
        """The sums that are complete after a phase: the place in the buffer "sum", and the divisor,
        of each.
        """
        return [
            (place, v.ref)
            for v, (_, place) in self.homes.items()
            if v.op == "sum" and self.levels[v] == level
        ]

    def row(self, argument: Value) -> tuple[str, int]:
        """Where an argument of a product is read from: a weight is stored for that, as what an
        earlier phase made is.
        """
        held = argument.op == "read" and self.buffers[argument.ref[0]].rows != "fixed"
        return argument.ref if held else self.homes[argument]

    def place(self, value: Value, group: Group) -> tuple[str, int] | None:
        """Where a value is read from, or None where this group works it out."""
        if value.op == "read":
            return value.ref
        if value.op == "number" or value in group.products:
            return None
        if (
            value.op in ("sum", "product")
            or self.levels[value] < group.level
            and value in self.homes
        ):
            return self.homes[value]
        assert self.levels[value] == group.level or value.op not in COSTLY
        return None


class _Values:
    """Makes values; the same operation on the same values gives the same value, and idle arithmetic
    is left out.
    """

    def __init__(self):
        self._known: dict[tuple, Value] = {}

    def make(self, op, args=(), ref=None, size=1) -> Value:
        key = (op, tuple(map(id, args)), ref, size)
        if key not in self._known:
            self._known[key] = Value(op, tuple(args), ref, size)
        return self._known[key]

    def number(self, number: float) -> Value:
        return self.make("number", ref=number)

    def pointwise(self, op: str, args: tuple[Value, ...]) -> Value:
        zeros = [_is_zero(a) for a in args]
        if op in ("add", "sub") and zeros[1]:
            return args[0]
        if op == "add" and zeros[0]:
            return args[1]
        if op == "mul" and any(zeros):
            return self.number(0.0)
        if op == "neg" and args[0].op == "number":
            return self.number(-args[0].ref)
        if (
            op == "add"
            and all(a.op == "product" for a in args)
            and args[0].size == args[1].size
            and set(args[0].args).isdisjoint(args[1].args)
        ):
            a, b = args
            return self.make("product", a.args + b.args, a.ref + b.ref, a.size)
        return self.make(op, args, None, max(a.size for a in args))


class Plan:
    """A cell at given sizes: the parts before, in and after the loop, forward and backward.

    Args:
        graph: The cell's step.
        sizes: What each letter stands for.
        ahead: Make the products that need no state for all steps at once, outside the loop. For
            short runs they had better be made inside, where they cost no call.

    Attributes:
        before: Products of the inputs alone; each is one product over all steps, and a stream that
            the loop reads.
        after: True where the output is worked out from streams after the loop.
        cuts: Where each node is cut, 0 and its size among them, so that everything pointwise has
            the same units side by side.
        forward_streams, backward_streams: Nodes of the loop in training, and of the backward loop,
            that are written for each step and row.
        infer: The loop that keeps nothing.
        train: The loop that keeps what backward needs.
        backward: The loop of the backward steps.
        kept, recalled: Once `backward` is made: what forward keeps for it alone, and what it has in
            place of each value.
    """

    def __init__(self, graph: Graph, sizes: Mapping[str, int], *, ahead: bool = True):
        self.graph, self.sizes, self.ahead = graph, dict(sizes), ahead
        self.derived: Backward = derive(graph)
        self._values = _Values()
        self._sort()
        self._find_cuts()
        self._segments: dict[Node, tuple[Value, ...]] = {}

    # ------------------------------------------------------------ which node runs where

    def _sort(self):
        graph, derived = self.graph, self.derived
        forward = self.forward_nodes = graph.nodes
        self._forward = set(forward)
        self.stateful = reached({n for n in forward if n.op == "state"}, forward)
        # What the loop works out; the rest is worked out outside it.
        self.looped = self.stateful if self.ahead else {n for n in forward if n.args}
        needed = set(walk(graph.new_states))
        self.before = [
            n for n in forward if self.ahead and n.op == "product" and n not in self.stateful
        ]
        late: set[Node] = set()
        for n in forward:
            if (
                self.ahead
                and n not in needed
                and n in self.stateful
                and (n.op == "product" or not late.isdisjoint(n.args))
            ):
                late.add(n)
        self.late = late
        self.after = graph.output in late or graph.output not in self.looped

        pairs = [n for pair in derived.products.values() for p in pair for n in p]
        roots = [
            *derived.states.values(),
            *derived.inputs.values(),
            *derived.vectors.values(),
            *pairs,
        ]
        nodes = self.backward_nodes = walk(roots)
        leaves = {n for n in nodes if n.op == "gradient" and n.value != "output"}
        self.carried = reached(leaves, nodes)
        self.graded = reached({n for n in nodes if n.op == "gradient"}, nodes)
        in_loop = set(walk(derived.states.values()))
        self.before_backward = [
            n
            for n in nodes
            if self.ahead
            and n.op == "product"
            and n in in_loop
            and n not in self.carried
            and n in self.graded
        ]
        late = set()
        for n in nodes:
            if (
                self.ahead
                and n not in self._forward
                and n not in in_loop
                and (n.op == "product" or not late.isdisjoint(n.args))
            ):
                late.add(n)
        self.late_backward = late
        # Weights of one dimension whose gradient is added up inside the loop; the others are added
        # up after it.
        self.added = {
            name: n for name, n in derived.vectors.items() if n in self.carried and n not in late
        }

        # What the work outside the loop reads of the loop is written for every step and row.
        self.state_streams: set[str] = set()
        self.forward_streams: list[Node] = []
        self.backward_streams: list[Node] = []
        if not self.after:
            self.forward_streams.append(graph.output)
        else:
            self._outside([graph.output])
        self.infer_streams = list(self.forward_streams)
        self.infer_state_streams = set(self.state_streams)
        outside = [
            *derived.inputs.values(),
            *pairs,
            *(n for name, n in derived.vectors.items() if name not in self.added),
        ]
        self._outside([*outside, *(a for n in self.before_backward for a in n.args)])

    def _outside(self, roots: Iterable[Node]):
        """Mark what has to be a stream so that these nodes can be worked out outside the loop."""
        graph, seen, stack = self.graph, set(), list(roots)
        # What a product in the loop reads is written there anyway.
        multiplied = {
            n.args[0]
            for n in self.looped
            if n.op == "product" and n.args[0].op not in ("slice", "concat")
        }
        while stack:
            n = stack.pop()
            if n in seen:
                continue
            seen.add(n)
            if n.op == "state":
                self.state_streams.add(n.value)
            elif n in self._forward:
                if n in graph.new_states and n in self.looped:
                    self.state_streams.add(list(graph.states)[graph.new_states.index(n)])
                elif (
                    n in self.looped
                    and n not in self.late
                    and (n.op in COSTLY or n.op in ("product", "sum", "mean") or n in multiplied)
                ):
                    if n not in self.forward_streams:
                        self.forward_streams.append(n)
                else:
                    stack.extend(n.args)
            elif n in self.carried and n not in self.late_backward:
                if n not in self.backward_streams:
                    self.backward_streams.append(n)
            else:
                stack.extend(n.args)

    # ------------------------------------------------------------ lowering: from nodes to values

    def _find_cuts(self):
        """Where each node must be cut so that everything pointwise has the same units side by
        side.
        """
        nodes = walk([*self.forward_nodes, *self.backward_nodes])
        size = {n: n.size.at(self.sizes) for n in nodes}
        cuts: dict[Node, set[int]] = {n: set() for n in nodes}

        def give(node, places):
            places = {p for p in places if 0 < p < size[node]} - cuts[node]
            cuts[node] |= places
            return bool(places)

        changed = True
        while changed:
            changed = False
            for n in nodes:
                if n.op == "slice":
                    (arg,), start, stop = n.args, *(s.at(self.sizes) for s in n.value)
                    changed |= give(arg, {start, stop} | {p + start for p in cuts[n]})
                    changed |= give(n, {p - start for p in cuts[arg]})
                elif n.op in ("concat", "pad"):
                    start = n.value.at(self.sizes) if n.op == "pad" else 0
                    for arg in n.args:
                        changed |= give(
                            n, {start, start + size[arg]} | {p + start for p in cuts[arg]}
                        )
                        changed |= give(arg, {p - start for p in cuts[n]})
                        start += size[arg]
                elif n.args and n.op not in ("product", "sum", "mean", "broadcast"):
                    wide = [m for m in (n, *n.args) if m.size != ONE]
                    places = set().union(*(cuts[m] for m in wide)) if wide else set()
                    for m in wide:
                        changed |= give(m, places)
        self.cuts = {n: [0, *sorted(cuts[n]), size[n]] for n in nodes}
        self._size = size

    def segments(self, node: Node) -> tuple[Value, ...]:
        """The values that a node consists of, in order."""
        if node not in self._segments:
            for n in walk([node]):
                if n not in self._segments:
                    self._segments[n] = tuple(self._lower(n))
        return self._segments[node]

    def _lower(self, n: Node):
        make, cuts = self._values.make, self.cuts[n]
        spans = list(zip(cuts, cuts[1:]))
        if n.op in ("input", "state", "weight", "gradient"):
            return [make("read", ref=(f"{n.op} {n.value}", a), size=b - a) for a, b in spans]
        if n in self.before or n in self.before_backward:
            return [make("read", ref=(self.stream(n), a), size=b - a) for a, b in spans]
        match n.op:
            case "number":
                return [self._values.number(n.value)]
            case "product":
                (arg,), (name, transposed) = n.args, n.value
                parts = [
                    (place, v)
                    for place, v in zip(self.cuts[arg], self.segments(arg))
                    if not _is_zero(v)
                ]
                # What stands in the argument several times is multiplied in a product of its own
                # each time.
                places: dict[Value, list[int]] = {}
                for c, v in parts:
                    places.setdefault(self._wide(v, self.cuts[arg], c), []).append(c)
                turns = [
                    {v: cs[k] for v, cs in places.items() if k < len(cs)}
                    for k in range(max(map(len, places.values()), default=0))
                ]
                totals = []
                for a, b in spans:
                    total = self._values.number(0.0)
                    for turn in turns:
                        part = make(
                            "product",
                            [*turn],
                            tuple((name, transposed, a, c) for c in turn.values()),
                            b - a,
                        )
                        total = self._values.pointwise("add", (total, part))
                    totals.append(total)
                return totals
            case "slice":
                start, stop = (s.at(self.sizes) for s in n.value)
                return [
                    v
                    for place, v in zip(self.cuts[n.args[0]], self.segments(n.args[0]))
                    if start <= place < stop
                ]
            case "concat":
                return [v for arg in n.args for v in self.segments(arg)]
            case "pad":
                start, arg = n.value.at(self.sizes), n.args[0]
                inner = dict(zip((p + start for p in self.cuts[arg]), self.segments(arg)))
                return [inner.get(a, self._values.number(0.0)) for a, _ in spans]
            case "sum" | "mean":
                (arg,) = n.args
                if self._size[arg] == 1:
                    return self.segments(arg)
                # One sum over all segments, divided while its rounding errors are still known: the
                # mean of equal numbers is exact.
                parts = [
                    self._wide(v, self.cuts[arg], place)
                    for place, v in zip(self.cuts[arg], self.segments(arg))
                    if not _is_zero(v)
                ]
                return [
                    make("sum", parts, self._size[arg] if n.op == "mean" else 1)
                    if parts
                    else self._values.number(0.0)
                ]
            case "broadcast":
                (v,) = self.segments(n.args[0])
                if n.value == "mean":
                    v = self._values.pointwise("mul", (v, self._values.number(1 / self._size[n])))
                return [v] * len(spans)
        columns = [
            self.segments(a) if a.size != ONE else self.segments(a) * len(spans) for a in n.args
        ]
        return [self._values.pointwise(n.op, args) for args in zip(*columns, strict=True)]

    def _wide(self, value: Value, cuts: list[int], place: int) -> Value:
        """A value of size 1 that stands for more units is made that wide, to be an argument of a
        product or to be stored.
        """
        size = cuts[cuts.index(place) + 1] - place
        return value if value.size == size else self._values.make("widen", (value,), None, size)

    def stream(self, node: Node) -> str:
        """The name of the buffer that holds a node for every step and row."""
        for kind, nodes in (
            ("before", self.before),
            ("before_backward", self.before_backward),
            ("forward", self.forward_streams),
            ("backward", self.backward_streams),
        ):
            if node in nodes:
                return f"{kind} {nodes.index(node)}"
        raise KeyError(node)

    def width(self, node: Node) -> int:
        """Numbers of a row of the stream of a product that is made outside the loop."""
        return -(-node.size.at(self.sizes) // ROW) * ROW

    def _stores(self, node: Node, buffer: str) -> list[tuple[Value, str, int]]:
        return [
            (self._wide(v, self.cuts[node], place), buffer, place)
            for place, v in zip(self.cuts[node], self.segments(node))
        ]

    # ------------------------------------------------------------ the three loops

    @cached_property
    def infer(self) -> Program:
        return self._forward_program(self.infer_streams, self.infer_state_streams, [])

    @cached_property
    def train(self) -> Program:
        _ = self.backward  # decides what is kept
        return self._forward_program(self.forward_streams, self.state_streams, self.kept)

    def _forward_program(self, streams, state_streams, kept) -> Program:
        graph, stores, buffers = self.graph, [], self._given()
        output_state = self.output_state
        for (name, size), node in zip(graph.states.items(), graph.new_states):
            width, streamed = size.at(self.sizes), name in state_streams or name == output_state
            buffers[f"state {name}"] = Buffer(
                f"state {name}", "before" if streamed else "old", width
            )
            buffers[f"next {name}"] = Buffer(f"state {name}", "after" if streamed else "new", width)
            stores += self._stores(node, f"next {name}")
        for n in streams:
            if not (n is graph.output and output_state):
                buffers[self.stream(n)] = Buffer(self.stream(n), "token", self._size[n])
                stores += self._stores(n, self.stream(n))
        if kept:
            offset = 0
            for v in kept:
                stores.append((v, "kept", offset))
                offset += v.size
            buffers["kept"] = Buffer("kept", "token", offset)
        return self._program(stores, buffers)

    def _given(self) -> dict[str, Buffer]:
        """The buffers that both loops read: inputs, vectors, and products before the loop."""
        buffers = {
            f"input {name}": self._input(name, size) for name, size in self.graph.inputs.items()
        }
        for name, w in self.graph.weights.items():
            if len(w.shape) == 1:
                place = f"weight {name}"
                buffers[place] = Buffer(place, "fixed", w.shape[0].at(self.sizes))
        for n in self.before:
            buffers[self.stream(n)] = Buffer(self.stream(n), "token", self.width(n))
        return buffers

    def _input(self, name: str, size: Size) -> Buffer:
        rows = (
            "constant"
            if name in self.graph.constant
            else "byte"
            if name in self.graph.bits
            else "token"
        )
        return Buffer(f"input {name}", rows, size.at(self.sizes))

    @property
    def output_state(self) -> str | None:
        """The state that is the output, if one is: its stream is the output's."""
        for name, node in zip(self.graph.states, self.graph.new_states):
            if node is self.graph.output and not self.after:
                return name
        return None

    @cached_property
    def backward(self) -> Program:
        graph, derived, stores = self.graph, self.derived, []
        self.kept: list[Value] = []
        self._offsets: dict[Value, int] = {}
        buffers = {}
        for name, size in graph.states.items():
            width = size.at(self.sizes)
            buffers[f"gradient {name}"] = Buffer(f"gradient {name}", "old", width)
            buffers[f"earlier {name}"] = Buffer(f"gradient {name}", "new", width)
            stores += self._stores(derived.states[name], f"earlier {name}")
        buffers["gradient output"] = Buffer("gradient output", "token", self._size[graph.output])
        for n in self.backward_streams:
            buffers[self.stream(n)] = Buffer(self.stream(n), "token", self._size[n])
            stores += self._stores(n, self.stream(n))
        for name, n in self.added.items():
            buffers[f"added {name}"] = Buffer(f"added {name}", "added", self._size[n])
            stores += self._stores(n, f"added {name}")
        for n in self.before_backward:
            buffers[self.stream(n)] = Buffer(self.stream(n), "token", self.width(n))
        streams = [
            (f"next {name}", node)
            for name, node in zip(graph.states, graph.new_states)
            if name in self.state_streams or name == self.output_state
        ]
        streams += [
            (self.stream(n), n)
            for n in self.forward_streams
            if not (n is graph.output and self.output_state)
        ]
        stored: dict[Value, tuple[str, int]] = {}
        for buffer, node in streams:
            for place, v in zip(self.cuts[node], self.segments(node)):
                if v.op != "number":
                    stored.setdefault(v, (buffer, place))
        known_forward = set(walk(v for n in self.forward_nodes for v in self.segments(n)))
        products = {v for n in self.forward_nodes if n.op == "product" for v in self.segments(n)}
        memo = self.recalled = {}

        def recall(v: Value) -> Value:
            """A value in terms of what the backward loop can read: forward values are kept, or
            worked out again.
            """
            if v in memo:
                return memo[v]
            if v in stored:
                result = self._values.make("read", ref=stored[v], size=v.size)
            elif v.op in ("read", "number"):
                result = v
            elif (
                v in products
                or v in known_forward
                and (v.op in COSTLY or v.op in ("product", "sum"))
            ):
                if v not in self._offsets:
                    self._offsets[v] = sum(k.size for k in self.kept)
                    self.kept.append(v)
                result = self._values.make("read", ref=("kept", self._offsets[v]), size=v.size)
            else:
                result = self._values.make(v.op, [recall(a) for a in v.args], v.ref, v.size)
            memo[v] = result
            return result

        stores = [(recall(v), buffer, offset) for v, buffer, offset in stores]
        buffers["kept"] = Buffer("kept", "token", sum(k.size for k in self.kept))
        buffers |= self._given()
        for name, size in graph.states.items():
            buffers[f"state {name}"] = Buffer(f"state {name}", "before", size.at(self.sizes))
            buffers[f"next {name}"] = Buffer(f"state {name}", "after", size.at(self.sizes))
        for n in self.forward_streams:
            buffers[self.stream(n)] = Buffer(self.stream(n), "token", self._size[n])
        program = self._program(stores, buffers)
        # A state that backward reads must have a stream.
        reads = {v.ref[0] for g in program.groups for v in _pulled(g) if v.op == "read"}
        self.state_streams |= {name for name in graph.states if f"state {name}" in reads}
        return program

    def _program(self, stores, buffers) -> Program:
        """Cut stores into phases, adding scratch for what passes from one phase to a later one."""
        levels: dict[Value, int] = {}

        def ready(v: Value) -> int:
            """The first phase that can use a value."""
            return level(v) + (v.op == "sum" or v.op == "product" and v.size == 1)

        def level(v: Value) -> int:
            """The phase that makes a value."""
            if v not in levels:
                if v.op == "product":
                    levels[v] = max(
                        0 if a.op == "read" and buffers[a.ref[0]].rows != "fixed" else level(a) + 1
                        for a in v.args
                    )
                else:
                    levels[v] = max((ready(a) for a in v.args), default=0)
            return levels[v]

        groups: dict[tuple[int, int], Group] = {}
        homes: dict[Value, tuple[str, int]] = {}
        widths = {"scratch": 0, "sum": 0}

        def group(at: int, size: int) -> Group:
            return groups.setdefault((at, size), Group(at, size))

        def settle(v: Value):
            """Give a value a place that later phases can read."""
            if v.op == "sum":
                if v not in homes:
                    homes[v] = ("sum", widths["sum"])
                    widths["sum"] += 1
                    for a in v.args:
                        group(ready(a), a.size).sums.append((a, homes[v][1]))
            elif v not in homes:
                homes[v] = ("scratch", widths["scratch"])
                group(level(v), v.size).stores.append((v, *homes[v]))
                widths["scratch"] += -(-v.size // 16) * 16

        for v, buffer, offset in stores:
            if buffers[buffer].rows != "added" and v.op not in ("read", "sum"):
                homes.setdefault(v, (buffer, offset))
            group(level(v) + (v.op == "sum"), v.size).stores.append((v, buffer, offset))

        def pull(v: Value, at: int, into: Group, seen: set):
            if v in seen or v.op in ("read", "number"):
                return
            seen.add(v)
            if v.op == "product":
                if level(v) == at and into.size == v.size:
                    into.products.append(v)
                    for a in v.args:
                        if a.op != "read" or buffers[a.ref[0]].rows == "fixed":
                            settle(a)
                else:
                    settle(v)
            elif v.op == "sum" or level(v) < at and v.op in COSTLY:
                settle(v)
            elif not (level(v) < at and v in homes):
                for a in v.args:
                    pull(a, at, into, seen)

        at = max((key[0] for key in groups), default=-1)
        while at >= 0:
            for g in [g for (where, _), g in groups.items() if where == at]:
                seen: set[Value] = set()
                for v in [v for v, *_ in g.stores] + [v for v, _ in g.sums]:
                    pull(v, at, g, seen)
            at -= 1
        if widths["scratch"]:
            buffers["scratch"] = Buffer("scratch", "row", widths["scratch"])
        if widths["sum"]:
            buffers["sum"] = Buffer("sum", "row", widths["sum"])
        ordered = [groups[key] for key in sorted(groups)]
        for g in ordered:
            # Products that share an argument stand side by side, so that they are made together.
            place = {
                a: k for k, a in enumerate(dict.fromkeys(a for p in g.products for a in p.args))
            }
            g.products.sort(key=lambda p: sum(place[a] for a in p.args) / len(p.args))
        used = {b for g in ordered for _, b, _ in g.stores} | {h[0] for h in homes.values()}
        used |= {v.ref[0] for g in ordered for v in _pulled(g) if v.op == "read"}
        return Program(
            ordered, {name: b for name, b in buffers.items() if name in used}, homes, levels
        )


def _is_zero(value: Value) -> bool:
    return value.op == "number" and value.ref == 0.0


def _pulled(group: Group) -> list[Value]:
    return walk([v for v, *_ in group.stores] + [v for v, _ in group.sums])


def reached(start: set[Node], nodes: list[Node]) -> set[Node]:
    """The nodes that depend on any of `start`, those included."""
    found = set(start)
    for node in nodes:
        if not found.isdisjoint(node.args):
            found.add(node)
    return found
