"""LLVM code for one loop of a plan: the time loop, its phases, the register tiles, and the pointwise work on them.

The kernel is one function of one array of 64-bit words (`WORDS`, then a pointer for each storage, then one for each packed
matrix), which every thread calls. A task is a share of the batch's rows, and runs all its steps alone; where there are
fewer rows than threads, the units are shared instead and a barrier ends each phase.

A phase goes over blocks of units. For each block the products are made in register tiles (rows of the batch times vectors
of units), with the weights at hand kept within the first-level cache, and put aside for all rows; then the pointwise work
takes them up, row by row.
"""

from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

from ..plan import COSTLY, Group, Program, Value
from . import vector_maths

I1, I32, I64, PTR, VOID = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()

# The words every kernel is given before its pointers:
# tasks: their number; table: four words a task (first row, steps, pointer to the active rows at each step, unused);
# tokens: for each row, the token of its first step; advance: tokens from one step to the next;
# before, after: tokens from a step to the state's row before and after it; carried: rows of an old / new buffer;
# barrier: where threads meet.
WORDS = ("tasks", "table", "tokens", "advance", "before", "after", "carried", "barrier")


@dataclass(frozen=True)
class Target:
    """What the code is made for: vector lanes of float32 and the number of vector registers."""

    lanes: int
    registers: int


@dataclass(frozen=True)
class Tile:
    """How a product of a row by a matrix is cut.

    Attributes:
        vectors: Vectors of units in a block.
        chunk: Vectors (of any of the parts) whose sums are in registers at once.
        rows: Rows whose sums are in registers at once.
    """

    vectors: int
    chunk: int
    rows: int


@dataclass(frozen=True)
class Pack:
    """A matrix that a kernel wants packed: blocks of units, chunks of vectors, the argument's units, vectors, lanes.

    Attributes:
        parts: (weight, transposed, first row, first column) of each block that is multiplied by the same argument.
        size: Rows of each part (units of the result).
        depth: Columns (units of the argument).
        tile: How it is cut.
        lanes: Units of a vector.
    """

    parts: tuple[tuple[str, bool, int, int], ...]
    size: int
    depth: int
    tile: Tile
    lanes: int

    @property
    def blocks(self) -> int:
        return -(-self.size // (self.tile.vectors * self.lanes))


# Bytes of packed weights that stay in the first-level cache while the rows go by.
NEAR = 16384
# Units of an argument that a turn of the innermost loop takes.
UNROLL = 4


def choose_vectors(parts: int, units: int, lanes: int, registers: int, *, one_row: bool) -> int:
    """Vectors in a block of units: as many as give a good tile, and pad the units least."""
    vectors = -(-units // lanes)
    if one_row:
        options = range(1, max(1, min(vectors, (12 if registers <= 16 else 16) // parts)) + 1)
        return min(options, key=lambda v: (-(-vectors // v) * v - vectors, -v))
    options = [v for v in (1, 2, 3, 4) if v <= vectors]
    return min(options, key=lambda v: ((-(-vectors // v) * v - vectors) / vectors > 0.02, _loads(choose_tile(parts, v, registers, one_row=False)), v))


def choose_tile(parts: int, vectors: int, registers: int, *, one_row: bool) -> Tile:
    """The tile that needs the fewest loads a multiply-add among those whose sums fit the registers."""
    chunks = [c for c in range(1, parts * vectors + 1)
              if vectors % c == 0 or c % vectors == 0 and parts % (c // vectors) == 0]
    if one_row:
        return Tile(vectors, max(c for c in chunks if c <= max(registers - 4, 1)), 1)
    budget = registers - 4
    tiles = [Tile(vectors, c, min(budget // c, 12)) for c in chunks if c <= 4]
    return min(tiles, key=lambda t: (_loads(t), t.chunk))


def _loads(tile: Tile) -> float:
    """Loads a multiply-add, counting what does not hide behind the multiply-adds: few sums leave those waiting for each other."""
    sums = tile.chunk * tile.rows
    return max((tile.chunk + tile.rows) / sums, 0.67) * max(1.0, 8 / sums)


@dataclass(frozen=True)
class _Chain:
    """An argument of products: where it lies, its units, and which products (by number) use it with which part of which weight."""

    buffer: str
    offset: int
    depth: int
    uses: tuple[tuple[int, tuple[str, bool, int, int]], ...]

    def joined(self, other: "_Chain") -> "_Chain | None":
        """Both as one, where what `other` multiplies goes on where this ends, in memory and in the weights."""
        if (other.buffer, other.offset) != (self.buffer, self.offset + self.depth):
            return None
        if [(p, (*part[:3], part[3] + self.depth)) for p, part in self.uses] != list(other.uses):
            return None
        return _Chain(self.buffer, self.offset, self.depth + other.depth, self.uses)


def _runs(chunks: list[list[int]], width: int, begun: set[int]) -> list[tuple[int, int, int]]:
    """Runs of chunks that one piece of code makes: the first, how many, and from one to the next how many vectors further."""
    runs = []
    for c, chunk in enumerate(chunks):
        if runs:
            first, count, step = runs[-1]
            moved = chunk[0] - chunks[c - 1][0]
            same = [(v - chunk[0], v // width in begun) for v in chunk] == [(v - chunks[first][0], v // width in begun) for v in chunks[first]]
            if same and (count == 1 or moved == step):
                runs[-1] = first, count + 1, moved
                continue
        runs.append((c, 1, 0))
    return runs


class Kernel:
    """The code of one loop.

    Args:
        program: The loop.
        bits: 32 or 64: float32 or float64.
        target: The processor.
        descending: True for backward: the last step first.
        one_row: Every task has one row at most.
        shared_units: Threads share the units of a phase, not the rows of the batch.
        openmp: Also make `team(words)`, which an OpenMP team's threads enter.

    Attributes:
        text: The LLVM module.
        storages: The arrays whose pointers the kernel takes, in order.
        packs: The packed matrices whose pointers follow.
        scratch: Numbers that a row needs of each storage that lasts for the run alone; these come last in `storages`. `aside`
            is needed once for each thread where threads share units; `partial` must be 0 at first.
    """

    def __init__(self, program: Program, bits: int, target: Target, *, descending: bool, one_row: bool, shared_units: bool,
                 openmp: bool = True):
        self.program, self.bits, self.target = program, bits, target
        self.descending, self.one_row, self.shared_units = descending, one_row, shared_units
        self.elem = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.lanes = target.lanes * 32 // bits
        self.vec = ir.VectorType(self.elem, self.lanes)
        self.bytes = bits // 8
        self.sums = program.buffers["sum"].width if "sum" in program.buffers else 0
        self.aside = max((len(g.products) * self._width(g) * self.lanes for g in program.groups), default=0)
        widths = {name: program.buffers[name].width for name in ("scratch", "sum") if name in program.buffers}
        self.scratch = widths | {"partial": self.sums * self.lanes, "aside": self.aside}
        self.scratch = {name: width for name, width in self.scratch.items() if width}
        storages = dict.fromkeys(b.storage for b in program.buffers.values())
        self.storages = [*(name for name in storages if name not in self.scratch), *self.scratch]
        self.packs: list[Pack] = []
        self.module = ir.Module("kernel")
        self._build(openmp)
        self.text = str(self.module)

    # ------------------------------------------------------------ small pieces

    def i64(self, n: int):
        return ir.Constant(I64, n)

    def intrinsic(self, name, result, args):
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, args), name)

    @contextmanager
    def loop(self, start, stop, step=1):
        """for (i = start; i < stop; i += step)"""
        b = self.b
        start, stop = (self.i64(n) if isinstance(n, int) else n for n in (start, stop))
        entry, head = b.block, b.append_basic_block("head")
        body, end = b.append_basic_block("body"), b.append_basic_block("end")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, entry)
        b.cbranch(b.icmp_signed("<", i, stop), body, end)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, self.i64(step)), b.block)
        b.branch(head)
        b.position_at_end(end)

    def at(self, pointer, units):
        """The address `units` elements further."""
        return self.b.gep(pointer, [units if not isinstance(units, int) else self.i64(units)], source_etype=self.elem)

    def word(self, pointer, index):
        index = self.i64(index) if isinstance(index, int) else index
        return self.b.load(self.b.gep(pointer, [index], source_etype=I64), typ=I64)

    def splat(self, scalar):
        one = self.b.insert_element(ir.Constant(self.vec, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(one, ir.Constant(self.vec, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes))

    def constant(self, number):
        return ir.Constant(self.vec, [float(number)] * self.lanes)

    def fma(self, a, b, c):
        name = f"llvm.fma.v{self.lanes}f{self.bits}"
        return self.b.call(self.intrinsic(name, self.vec, [self.vec] * 3), [a, b, c])

    def min64(self, a, b):
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    # ------------------------------------------------------------ the function

    def _build(self, openmp):
        run = ir.Function(self.module, ir.FunctionType(VOID, [PTR, I64, I64]), "run")
        if openmp:
            team = ir.Function(self.module, ir.FunctionType(VOID, [PTR]), "team")
            which = self.intrinsic("omp_get_thread_num", I32, [])
            count = self.intrinsic("omp_get_num_threads", I32, [])
            b = ir.IRBuilder(team.append_basic_block())
            b.call(run, [team.args[0], b.sext(b.call(which, []), I64), b.sext(b.call(count, []), I64)])
            b.ret_void()

        self.b = b = ir.IRBuilder(run.append_basic_block())
        self.words, self.thread, self.threads = run.args
        self.given = {name: self.word(self.words, k) for k, name in enumerate(WORDS)}
        self.bases = {name: b.inttoptr(self.word(self.words, len(WORDS) + k), PTR) for k, name in enumerate(self.storages)}
        self.table = b.inttoptr(self.given["table"], PTR)
        self.tokens = b.inttoptr(self.given["tokens"], PTR)
        if self.shared_units:
            self.met = b.alloca(I64)
            b.store(self.i64(0), self.met)
            self._task(self.i64(0))
        else:
            with self._tasks() as task:
                self._task(task)
        self.b.ret_void()

    @contextmanager
    def _tasks(self):
        b = self.b
        entry, head, body, end = b.block, b.append_basic_block("tasks"), b.append_basic_block("task"), b.append_basic_block("done")
        b.branch(head)
        b.position_at_end(head)
        task = b.phi(I64)
        task.add_incoming(self.thread, entry)
        b.cbranch(b.icmp_signed("<", task, self.given["tasks"]), body, end)
        b.position_at_end(body)
        yield task
        task.add_incoming(b.add(task, self.threads), b.block)
        b.branch(head)
        b.position_at_end(end)

    def _task(self, task):
        b = self.b
        entry = b.mul(task, self.i64(4))
        self.task = task
        self.first = self.word(self.table, entry)
        steps = self.word(self.table, b.add(entry, self.i64(1)))
        active = b.inttoptr(self.word(self.table, b.add(entry, self.i64(2))), PTR)
        with self.loop(0, steps) as k:
            self.step = b.sub(b.sub(steps, self.i64(1)), k) if self.descending else k
            self.rows = self.word(active, self.step)
            self.moved = b.mul(self.step, self.given["advance"])
            odd = b.and_(self.step, self.i64(1))
            even = b.xor(odd, self.i64(1))
            old, new = (even, odd) if self.descending else (odd, even)
            self.turn = {"old": b.mul(old, self.given["carried"]), "new": b.mul(new, self.given["carried"])}
            for level in range(self.program.phases):
                groups = [g for g in self.program.groups if g.level == level]
                for group in groups:
                    self._group(group)
                slots = [slot for g in groups for _, slot in g.sums]
                if slots:
                    self._finish_sums(slots)
                if self.shared_units:
                    self._meet()

    def _meet(self):
        """Wait until every thread is here."""
        b = self.b
        barrier = b.inttoptr(self.given["barrier"], PTR)
        goal = b.add(b.load(self.met, typ=I64), self.threads)
        b.store(goal, self.met)
        b.atomic_rmw("add", barrier, self.i64(1), "acq_rel")
        head, wait, end = b.append_basic_block("meet"), b.append_basic_block("wait"), b.append_basic_block("met")
        start = b.block
        b.branch(head)
        b.position_at_end(head)
        spins = b.phi(I64)
        spins.add_incoming(self.i64(1), start)
        seen = b.load_atomic(barrier, "acquire", 8, typ=I64)
        b.cbranch(b.icmp_signed(">=", seen, goal), end, wait)
        b.position_at_end(wait)
        # A thread that waits long gives its processor to one that may have lost it.
        with b.if_then(b.icmp_signed("==", b.and_(spins, self.i64(511)), self.i64(0)), likely=False):
            b.call(self.intrinsic("sched_yield", I32, []), [])
        spins.add_incoming(b.add(spins, self.i64(1)), b.block)
        b.branch(head)
        b.position_at_end(end)

    # ------------------------------------------------------------ rows of buffers

    def _row(self, name: str, m):
        """The address of row m of the task, in a buffer."""
        b, buffer = self.b, self.program.buffers[name]
        base, width = self.bases[buffer.storage], self.i64(buffer.width)
        match buffer.rows:
            case "token" | "before" | "after":
                row = self._token(m)
                if buffer.rows != "token":
                    row = b.add(row, self.given[buffer.rows])
            case "old" | "new":
                row = b.add(b.add(self.first, m), self.turn[buffer.rows])
            case "row":
                row = b.add(self.first, m)
            case "added":
                row = self.task
            case "fixed":
                return base
        return self.at(base, b.mul(row, width))

    def _token(self, m):
        return self.b.add(self.word(self.tokens, self.b.add(self.first, m)), self.moved)

    # ------------------------------------------------------------ one group of a phase

    def _group(self, group: Group):
        b, lanes = self.b, self.lanes
        chains, width = self._chains(group), self._width(group)
        vectors, full = -(-group.size // lanes), group.size // lanes
        blocks = -(-vectors // width)
        first, last = self.i64(0), self.i64(blocks)
        if self.shared_units:
            first = b.sdiv(b.mul(last, self.thread), self.threads)
            last = b.sdiv(b.mul(last, b.add(self.thread, self.i64(1))), self.threads)
        with self.loop(first, last) as block:
            begun: set[int] = set()
            for chain in chains:
                self._fill(group, chain, width, block, begun)
            at = b.mul(block, self.i64(width))
            whole = self.min64(b.sub(self.i64(full), at), self.i64(width))
            with self.loop(0, self.rows) as m:
                pointers = {name: self._row(name, m) for name in self._named(group)}
                sums = self._aside(m) if chains else None
                with self.loop(0, whole) as v:
                    self._pointwise(group, width, pointers, sums, v, b.add(at, v), None)
                if group.size % lanes:
                    with b.if_then(b.icmp_signed("==", block, self.i64(blocks - 1))):
                        v = self.i64(full - (blocks - 1) * width)
                        mask = ir.Constant(ir.VectorType(I1, lanes), [k < group.size % lanes for k in range(lanes)])
                        self._pointwise(group, width, pointers, sums, v, self.i64(full), mask)

    def _chains(self, group: Group) -> list["_Chain"]:
        """What the group's products multiply, and which products use each, with what part of which weight."""
        uses: dict[Value, list] = {}
        for index, product in enumerate(group.products):
            for argument, part in zip(product.args, product.ref):
                uses.setdefault(argument, []).append((index, part))
        chains = sorted((_Chain(*self._home(argument), argument.size, tuple(used)) for argument, used in uses.items()),
                        key=lambda c: (c.buffer, c.offset))
        merged: list[_Chain] = []
        for chain in chains:
            longer = merged[-1].joined(chain) if merged else None
            if longer:
                merged[-1] = longer
            else:
                merged.append(chain)
        return merged

    def _width(self, group: Group) -> int:
        """Vectors in a block of a group's units."""
        return choose_vectors(max(1, len(group.products)), group.size, self.lanes, self.target.registers, one_row=self.one_row)

    def _home(self, value: Value) -> tuple[str, int]:
        return value.ref if value.op == "read" and self.program.buffers[value.ref[0]].rows != "fixed" else self.program.homes[value]

    def _aside(self, m):
        """Where row m's products of one block are put aside: by product, then vector."""
        row = self.b.add(self.first, m)
        if self.shared_units:
            row = self.b.add(row, self.b.mul(self.thread, self.given["carried"]))
        return self.at(self.bases["aside"], self.b.mul(row, self.i64(self.aside)))

    def _fill(self, group: Group, chain: "_Chain", width: int, block, begun: set[int]):
        """Multiply an argument by the packed weights of the products that use it, for all rows.

        `begun` holds the products that have sums already, from another argument.
        """
        b, depth, uses = self.b, chain.depth, chain.uses
        tile = choose_tile(len(uses), width, self.target.registers, one_row=self.one_row)
        pack = Pack(tuple(part for _, part in uses), group.size, depth, tile, self.lanes)
        self.packs.append(pack)
        words = len(WORDS) + len(self.storages) + len(self.packs) - 1
        base = b.inttoptr(self.word(self.words, words), PTR)
        cells = [p * width + v for p, _ in uses for v in range(width)]
        shares = 1 if self.one_row else max(1, depth * tile.chunk * self.lanes * self.bytes // NEAR)
        for c, count, step in _runs([cells[c : c + tile.chunk] for c in range(0, len(cells), tile.chunk)], width, begun):
            chunk = cells[c * tile.chunk : (c + 1) * tile.chunk]
            with self.loop(0, count) as turn:
                passed = b.add(b.mul(block, self.i64(len(cells))), b.mul(b.add(turn, self.i64(c)), self.i64(tile.chunk)))
                start = self.at(base, b.mul(passed, self.i64(depth * self.lanes)))
                aside = b.mul(turn, self.i64(step * self.lanes))
                old = [v // width in begun for v in chunk]
                if shares == 1:
                    self._tiles(chain, chunk, tile, start, aside, self.i64(0), depth, old, None)
                    continue
                # All shares but the last are whole rounds of the unrolled loop.
                share = depth // shares // UNROLL * UNROLL
                with self.loop(0, shares) as k:
                    last = b.icmp_signed("==", k, self.i64(shares - 1))
                    here = b.select(last, self.i64(depth - share * (shares - 1)), self.i64(share))
                    again = b.icmp_signed(">", k, self.i64(0))
                    self._tiles(chain, chunk, tile, start, aside, b.mul(k, self.i64(share)), here, old, again)
        begun |= {p for p, _ in uses}

    def _tiles(self, chain, chunk, tile: Tile, start, aside, k0, depth, old, again):
        """Go over the rows, a tile at a time.

        There is code for tiles of some numbers of rows only: a tile with fewer takes its last row several times.

        Args:
            chunk: Which vectors of the row that is put aside the tile makes, `aside` numbers further on.
            start: The chunk's packed weights.
            k0, depth: The share of the argument's units; `depth` is an integer if it is known here.
            old: For each vector, whether its sums go on from what was put aside.
            again: True (at run time) where all do; None where that is never so.
        """
        b = self.b
        weights = self.at(start, b.mul(k0, self.i64(len(chunk) * self.lanes)))
        heights = [tile.rows]
        while heights[-1] > 1:
            heights.append(heights[-1] // 2)
        last = b.sub(self.rows, self.i64(1))
        with self.loop(0, self.rows, tile.rows) as m:
            left = b.sub(self.rows, m)
            end = b.append_basic_block("filled")
            for height, less in zip(heights, [*heights[1:], 0]):
                if less:
                    piece, smaller = b.append_basic_block(f"rows{height}"), b.append_basic_block("fewer")
                    b.cbranch(b.icmp_signed(">", left, self.i64(less)), piece, smaller)
                    b.position_at_end(piece)
                places = [self.min64(b.add(m, self.i64(r)), last) if r else m for r in range(height)]
                rows = [self.at(self.at(self._row(chain.buffer, place), chain.offset), k0) for place in places]
                asides = [self.at(self._aside(place), aside) for place in places]
                addresses = {(r, k): self.at(asides[r], cell * self.lanes) for r in range(height) for k, cell in enumerate(chunk)}
                sums = dict.fromkeys(addresses, self.constant(0.0))
                for (r, k), address in addresses.items():
                    if old[k] or again is not None:
                        total = b.load(address, typ=self.vec, align=self.bytes)
                        sums[r, k] = total if old[k] else b.select(again, total, sums[r, k])
                for key, total in self._multiply(sums, rows, weights, len(chunk), depth, chain.depth).items():
                    b.store(total, addresses[key], align=self.bytes)
                b.branch(end)
                if less:
                    b.position_at_end(smaller)
            b.position_at_end(end)

    def _multiply(self, sums, rows, weights, vectors: int, depth, whole: int):
        """Add rows times packed weights to the sums: depth goes by, all rows and vectors at once.

        `depth` is known at run time if it is a share of the whole; then it has at least `UNROLL` units.
        """
        b, width, keys = self.b, vectors * self.lanes, list(sums)
        # Few sums leave the multiply-adds waiting for each other: use several sets, added up at the end.
        sets = max(1, min(UNROLL, whole, 8 // len(keys)))
        zero = self.constant(0.0)
        current = [dict(sums) if k == 0 else dict.fromkeys(keys, zero) for k in range(sets)]

        def go(first, count):
            for u in range(count):
                k = b.add(first, self.i64(u))
                line = self.at(weights, b.mul(k, self.i64(width)))
                into = current[u % sets]
                of_weights = [b.load(self.at(line, v * self.lanes), typ=self.vec, align=self.bytes) for v in range(vectors)]
                for r, row in enumerate(rows):
                    a = self.splat(b.load(self.at(row, k), typ=self.elem))
                    for v, w in enumerate(of_weights):
                        into[r, v] = self.fma(a, w, into[r, v])

        def loop(start, stop, step):
            """go(k, step) for k from start to stop; at least once."""
            entry, body, end = b.block, b.append_basic_block("depth"), b.append_basic_block("deep")
            b.branch(body)
            b.position_at_end(body)
            k = b.phi(I64)
            k.add_incoming(start, entry)
            phis = [{key: b.phi(self.vec) for key in keys} for _ in range(sets)]
            for phi, value in zip(phis, current):
                for key in keys:
                    phi[key].add_incoming(value[key], entry)
            current[:] = [dict(phi) for phi in phis]
            go(k, step)
            after = b.add(k, self.i64(step))
            k.add_incoming(after, b.block)
            for phi, value in zip(phis, current):
                for key in keys:
                    phi[key].add_incoming(value[key], b.block)
            b.cbranch(b.icmp_signed("<", after, stop), body, end)
            b.position_at_end(end)

        rest = whole % UNROLL
        if isinstance(depth, int):
            if depth >= UNROLL:
                loop(self.i64(0), self.i64(depth - rest), UNROLL)
            go(self.i64(depth - rest), rest)
        else:
            rounds = b.and_(depth, self.i64(-UNROLL))
            loop(self.i64(0), rounds, UNROLL)
            if rest:
                # The last share alone has these; the others add 0 of them.
                before = [dict(c) for c in current]
                head, more, end = b.block, b.append_basic_block("rest"), b.append_basic_block("done")
                b.cbranch(b.icmp_signed("<", rounds, depth), more, end)
                b.position_at_end(more)
                go(rounds, rest)
                after, tail = [dict(c) for c in current], b.block
                b.branch(end)
                b.position_at_end(end)
                for k in range(sets):
                    for key in keys:
                        phi = b.phi(self.vec)
                        phi.add_incoming(before[k][key], head)
                        phi.add_incoming(after[k][key], tail)
                        current[k][key] = phi
        total = current[0]
        for more in current[1:]:
            total = {key: b.fadd(total[key], more[key]) for key in keys}
        return total

    # ------------------------------------------------------------ pointwise work on one vector of units

    def _named(self, group: Group) -> list[str]:
        """The buffers whose rows the pointwise work of a group touches."""
        names, seen = [], set()

        def see(v: Value):
            if v in seen:
                return
            seen.add(v)
            place = self._place(v, group)
            if place:
                names.append(place[0])
            elif v not in group.products:
                for a in v.args:
                    see(a)

        for v, buffer, _ in group.stores:
            see(v)
            names.append(buffer)
        for v, _ in group.sums:
            see(v.args[0])
        if group.sums:
            names.append("sum")
        return list(dict.fromkeys(names))

    def _place(self, v: Value, group: Group) -> tuple[str, int] | None:
        """Where a value is read from, or None where this group works it out."""
        program = self.program
        if v.op == "read":
            return v.ref
        if v.op == "number" or v in group.products:
            return None
        if v.op in ("sum", "product") or program.levels[v] < group.level and v in program.homes:
            return program.homes[v]
        assert program.levels[v] == group.level or v.op not in COSTLY
        return None

    def _pointwise(self, group: Group, width: int, pointers, sums, v, vector, mask):
        """The group's values for one row and one vector of units (the v-th of its block): read, work out, write."""
        b = self.b
        unit = b.mul(vector, self.i64(self.lanes))
        done: dict[Value, object] = {}

        def read(name, offset, size):
            address = self.at(pointers[name], offset)
            if size == 1:
                return self.splat(b.load(address, typ=self.elem))
            return self._load(self.at(address, unit), mask)

        def emit(value: Value):
            if value in done:
                return done[value]
            place = self._place(value, group)
            if place:
                result = read(*place, value.size)
            elif value.op == "number":
                result = self.constant(value.ref)
            elif value in group.products:
                cell = b.add(b.mul(v, self.i64(self.lanes)), self.i64(group.products.index(value) * width * self.lanes))
                result = b.load(self.at(sums, cell), typ=self.vec, align=self.bytes)
            elif value.op == "spread":
                result = emit(value.args[0])
            else:
                result = self._operation(value.op, [emit(a) for a in value.args], value)
            done[value] = result
            return result

        results = [(emit(value), buffer, offset) for value, buffer, offset in group.stores]
        parts = [(emit(value.args[0]), slot) for value, slot in group.sums]
        for result, buffer, offset in results:
            address = self.at(self.at(pointers[buffer], offset), unit)
            if self.program.buffers[buffer].rows == "added":
                result = b.fadd(self._load(address, mask), result)
            self._store(result, address, mask)
        for result, slot in parts:
            if mask is not None:
                result = b.select(mask, result, self.constant(0.0))
            address = self._partial(pointers["sum"], slot)
            b.store(b.fadd(b.load(address, typ=self.vec, align=self.bytes), result), address, align=self.bytes)

    def _load(self, address, mask):
        if mask is None:
            return self.b.load(address, typ=self.vec, align=self.bytes)
        name = f"llvm.masked.load.v{self.lanes}f{self.bits}.p0"
        load = self.intrinsic(name, self.vec, [PTR, I32, mask.type, self.vec])
        return self.b.call(load, [address, ir.Constant(I32, self.bytes), mask, self.constant(0.0)])

    def _store(self, value, address, mask):
        if mask is None:
            self.b.store(value, address, align=self.bytes)
            return
        name = f"llvm.masked.store.v{self.lanes}f{self.bits}.p0"
        store = self.intrinsic(name, VOID, [self.vec, PTR, I32, mask.type])
        self.b.call(store, [value, address, ir.Constant(I32, self.bytes), mask])

    def _operation(self, op, args, value):
        b, zero, one = self.b, self.constant(0.0), self.constant(1.0)
        match op, args:
            case "add", (x, y):
                return self._fused(value, args) or b.fadd(x, y)
            case "sub", (x, y):
                return b.fsub(x, y)
            case "mul", (x, y):
                return b.fmul(x, y)
            case "div", (x, y):
                return b.fdiv(x, y)
            case "neg", (x,):
                return b.fneg(x)
            case "relu", (x,):
                return b.select(b.fcmp_ordered("<=", x, zero), zero, x)
            case "abs", (x,):
                return b.call(self.intrinsic(f"llvm.fabs.v{self.lanes}f{self.bits}", self.vec, [self.vec]), [x])
            case "less", (x, y):
                return b.fcmp_ordered("<", x, y)
            case "where", (condition, x, y):
                return b.select(condition, x, y)
            case "maximum", (x, y):
                return b.select(b.fcmp_ordered("<", x, y), y, x)
            case "minimum", (x, y):
                return b.select(b.fcmp_ordered("<", y, x), y, x)
            case "hard_sigmoid", (x,):
                line = self.fma(x, self.constant(1 / 6), self.constant(0.5))
                line = b.select(b.fcmp_ordered("<", line, zero), zero, line)
                return b.select(b.fcmp_ordered("<", one, line), one, line)
            case _, (x,):
                return vector_maths.emit(b, op, x)

    def _fused(self, value, args):
        """A product and a sum in one instruction, where one of the two is a product that was just made."""
        for k, a in enumerate(value.args):
            if a.op == "mul" and isinstance(args[k], ir.Instruction) and args[k].opname == "fmul":
                x, y = args[k].operands
                return self.fma(x, y, args[1 - k])
        return None

    # ------------------------------------------------------------ sums over units

    def _partial(self, sum_row, slot: int):
        """Where a row adds up one sum, lane by lane; found from the row's place in the buffer `sum`."""
        b = self.b
        offset = b.sub(b.ptrtoint(sum_row, I64), b.ptrtoint(self.bases["sum"], I64))
        row = self.b.inttoptr(b.add(b.ptrtoint(self.bases["partial"], I64), b.mul(offset, self.i64(self.lanes))), PTR)
        return self.at(row, slot * self.lanes)

    def _finish_sums(self, slots: list[int]):
        """Add up the lanes of each sum, and clear them for the next step."""
        b = self.b
        with self.loop(0, self.rows) as m:
            row = self._row("sum", m)
            for slot in slots:
                address = self._partial(row, slot)
                vector = b.load(address, typ=self.vec, align=self.bytes)
                b.store(self.constant(0.0), address, align=self.bytes)
                lanes = self.lanes
                while lanes > 1:
                    half = [*range(lanes // 2, lanes), *([0] * (self.lanes - lanes + lanes // 2))][: self.lanes]
                    moved = b.shuffle_vector(vector, ir.Constant(self.vec, ir.Undefined), ir.Constant(ir.VectorType(I32, self.lanes), half))
                    vector = b.fadd(vector, moved)
                    lanes //= 2
                b.store(b.extract_element(vector, ir.Constant(I32, 0)), self.at(row, slot), align=self.bytes)
