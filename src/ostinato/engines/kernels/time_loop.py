"""Private: LLVM code for one loop of a plan: the time loop, its phases, the register tiles, and the
pointwise work on them.

The kernel is one function of one array of 64-bit words (`WORDS`, then a pointer for each storage,
then one for each packed matrix), which every thread calls. A task is a share of the batch's rows,
and runs all its steps alone; where there are fewer rows than threads, the units are shared instead
and a barrier ends each phase.

A phase goes over blocks of units. For each block the products are made in register tiles (rows of
the batch times vectors of units), with the weights at hand kept within the first-level cache, and
stored for all rows; then the pointwise work takes them up, row by row.
"""

from dataclasses import dataclass

from llvmlite import ir

from ...compiler.plan import Group, Program, Value
from . import tile_product, vector_math
from .builder import I1, I8, I32, I64, PTR, Code, Target, rounded_width
from .tile_product import NEAR, UNROLL, Pack, Tile, choose_tile, choose_vectors, gap

# The words every kernel is given before its pointers: tasks: their number; table: four words a task
# (first row, steps, pointer to the active rows at each step, unused); tokens: for each row, the
# token of its first step; advance: tokens from one step to the next; before, after: tokens from a
# step to the state's row before and after it; carried: rows of an old / new buffer; barrier: where
# threads meet.
WORDS = ("tasks", "table", "tokens", "advance", "before", "after", "carried", "barrier")
# Scratch that each thread has for itself where threads share units.
EACH = ("products", "lines", "rounded")
# Rows between the scratch of one thread and another's: two that write to one line of a cache, or to
# the next one, wait for each other.
APART = 16
# How many rows before it is worked on a row of an array with all steps is brought near.
FETCHED = 2


@dataclass(frozen=True)
class _Chain:
    """An argument of products: where it lies, its units, and which products (by number) use it with
    which part of a weight.
    """

    buffer: str
    offset: int
    depth: int
    uses: tuple[tuple[int, tuple[str, bool, int, int]], ...]

    def joined(self, other: "_Chain") -> "_Chain | None":
        """Both as one, where what `other` multiplies goes on where this ends, in memory and in the
        weights.
        """
        if (other.buffer, other.offset) != (self.buffer, self.offset + self.depth):
            return None
        if [(p, (*part[:3], part[3] + self.depth)) for p, part in self.uses] != list(other.uses):
            return None
        return _Chain(self.buffer, self.offset, self.depth + other.depth, self.uses)


def _chunks(cells: list[int], tile: Tile) -> list[list[int]]:
    return [cells[c : c + tile.chunk] for c in range(0, len(cells), tile.chunk)]


def _runs(chunks: list[list[int]], width: int, begun: set[int]) -> list[tuple[int, int, int]]:
    """Runs of chunks that one piece of code makes: the first, how many, and from one to the next
    how many vectors further.
    """
    runs = []
    for c, chunk in enumerate(chunks):
        if runs:
            first, count, step = runs[-1]
            moved = chunk[0] - chunks[c - 1][0]
            same = [(v - chunk[0], v // width in begun) for v in chunk] == [
                (v - chunks[first][0], v // width in begun) for v in chunks[first]
            ]
            if same and (count == 1 or moved == step):
                runs[-1] = first, count + 1, moved
                continue
        runs.append((c, 1, 0))
    return runs


class Kernel(Code):
    """The code of one loop.

    Args:
        program: The loop.
        bits: As of `Code`.
        target: The processor.
        descending: True for backward: the last step first.
        one_row: Every task has one row at most.
        shared_units: Threads share the units of a phase, not the rows of the batch.

    Attributes:
        text: The LLVM module.
        storages: The arrays whose pointers the kernel takes, in order.
        packs: The packed matrices whose pointers follow.
        products: The chunk and rows of each form of tile that the code calls; see `product.make`.
        scratch: Numbers that a row needs of each storage that lasts for the run alone; these come
            last in `storages`. Those named in `EACH` are needed once for each thread where threads
            share units; `partial` must be 0 at first.
    """

    def __init__(
        self,
        program: Program,
        bits: int,
        target: Target,
        *,
        descending: bool,
        one_row: bool,
        shared_units: bool,
    ):
        super().__init__(bits, target)
        self.enter(WORDS)
        self.program = program
        self.descending, self.one_row, self.shared_units = descending, one_row, shared_units
        self.sums = program.buffers["sum"].width if "sum" in program.buffers else 0
        self.product_width = max(
            (len(g.products) * self._width(g) * self.vector_width for g in program.groups),
            default=0,
        )
        widths = {
            name: program.buffers[name].width
            for name in ("scratch", "sum")
            if name in program.buffers
        }
        self.lines = max((len(self._chains(g)) for g in program.groups), default=0)
        self.scratch = widths | {
            "partial": self.sums * 2 * self.vector_width,
            "products": self.product_width,
            "lines": self.lines * 8 // self.bytes,
        }
        if bits == 16:
            depth = max(
                (chain.depth for g in program.groups for chain in self._chains(g)), default=0
            )
            self.rounded = rounded_width(depth, target)
            self.scratch["rounded"] = self.lines * self.rounded
        self.scratch = {name: width for name, width in self.scratch.items() if width}
        storages = dict.fromkeys(b.storage for b in program.buffers.values())
        self.storages = [*(name for name in storages if name not in self.scratch), *self.scratch]
        self.packs: list[Pack] = []
        self.products: set[tuple[int, int]] = set()
        self._build()
        self.text = str(self.module)

    # ------------------------------------------------------------ the function

    def _build(self):
        b = self.b
        self.bases = {
            name: b.inttoptr(self.word(self.words, len(WORDS) + k), PTR)
            for k, name in enumerate(self.storages)
        }
        self.table = b.inttoptr(self.given["table"], PTR)
        self.tokens = b.inttoptr(self.given["tokens"], PTR)
        if self.shared_units:
            self.met = b.alloca(I64)
            b.store(self.i64(0), self.met)
            self._task(self.i64(0))
        else:
            with self.loop(self.thread, self.given["tasks"], self.threads) as task:
                self._task(task)
        self.b.ret_void()

    def _task(self, task):
        b = self.b
        entry = b.mul(task, self.i64(4))
        self.task = task
        self.first = self.word(self.table, entry)
        # Scratch has rows between those of one task and the next.
        self.own = b.add(self.first, b.mul(task, self.i64(APART)))
        steps = self.word(self.table, b.add(entry, self.i64(1)))
        active = b.inttoptr(self.word(self.table, b.add(entry, self.i64(2))), PTR)
        with self.loop(0, steps) as k:
            self.step = b.sub(b.sub(steps, self.i64(1)), k) if self.descending else k
            self.rows = self.word(active, self.step)
            self.moved = b.mul(self.step, self.given["advance"])
            odd = b.and_(self.step, self.i64(1))
            even = b.xor(odd, self.i64(1))
            old, new = (even, odd) if self.descending else (odd, even)
            self.turn = {
                "old": b.mul(old, self.given["carried"]),
                "new": b.mul(new, self.given["carried"]),
            }
            for level in range(self.program.phases):
                groups = [g for g in self.program.groups if g.level == level]
                for group in groups:
                    self._group(group)
                if finished := self.program.finished_sums(level):
                    self._finish_sums(finished)
                if self.shared_units:
                    self._meet()

    def _meet(self):
        """Wait until every thread is here."""
        goal = self.b.add(self.b.load(self.met, typ=I64), self.threads)
        self.b.store(goal, self.met)
        self.meet(self.b.inttoptr(self.given["barrier"], PTR), goal)

    # ------------------------------------------------------------ rows of buffers

    def _row(self, name: str, m):
        """The address of row m of the task, in a buffer."""
        b, buffer = self.b, self.program.buffers[name]
        base, width = self.bases[buffer.storage], self.i64(buffer.width)
        match buffer.rows:
            case "byte":
                return b.gep(base, [b.mul(self._token(m), width)], source_etype=I8)
            case "token" | "before" | "after":
                row = self._token(m)
                if buffer.rows != "token":
                    row = b.add(row, self.given[buffer.rows])
            case "old" | "new":
                row = b.add(b.add(self.first, m), self.turn[buffer.rows])
            case "constant":
                # a token is a step's first, and the place in the batch
                row = b.urem(self._token(m), self.given["carried"])
            case "row":
                row = b.add(self.own, m)
            case "added":
                row = self.task
            case "fixed":
                return base
        return self.at(base, b.mul(row, width))

    def _ahead(self, m):
        """How many rows further that one lies which comes `FETCHED` rows after row m: past the last
        row it is one of the next step.

        The rows in between are another thread's, which would have to get them back.
        """
        b, ahead = self.b, self.i64(FETCHED)
        step = b.neg(self.given["advance"]) if self.descending else self.given["advance"]
        return b.select(
            b.icmp_signed("<", b.add(m, ahead), self.rows),
            ahead,
            b.add(b.sub(ahead, self.rows), step),
        )

    def _token(self, m):
        return self.b.add(self.word(self.tokens, self.b.add(self.first, m)), self.moved)

    # ------------------------------------------------------------ one group of a phase

    def _group(self, group: Group):
        b, vector_width = self.b, self.vector_width
        chains, width = self._chains(group), self._width(group)
        vectors, full = -(-group.size // vector_width), group.size // vector_width
        blocks = -(-vectors // width)
        # Forward waits for its chains of functions: two at a time fill the gaps; backward
        # waits for memory.
        two_by_two = min(width, full) > 1 and not self.descending
        first, last = self.i64(0), self.i64(blocks)
        if self.shared_units:
            first, last = self.share(last)
        lines = [self._lines(k, chain) for k, chain in enumerate(chains)]
        with self.loop(first, last) as block:
            begun: set[int] = set()
            for rows, chain in zip(lines, chains):
                self._fill(group, chain, rows, width, block, begun)
            at = b.mul(block, self.i64(width))
            whole = self.min64(b.sub(self.i64(full), at), self.i64(width))
            with self.loop(0, self.rows) as m:
                self.ahead = None if self.one_row else self._ahead(m)
                pointers = {name: self._row(name, m) for name in self._named(group)}
                sums = self._sums_of(m) if chains else None
                paired = self.i64(0)
                if two_by_two:
                    paired = b.and_(whole, self.i64(-2))
                    with self.loop(0, paired, 2) as v:
                        self._pointwise(group, width, pointers, sums, v, b.add(at, v), None, 2)
                if not two_by_two or width % 2 or full % 2:
                    with self.loop(paired, whole) as v:
                        self._pointwise(group, width, pointers, sums, v, b.add(at, v), None)
                if group.size % vector_width:
                    with b.if_then(b.icmp_signed("==", block, self.i64(blocks - 1))):
                        v = self.i64(full - (blocks - 1) * width)
                        mask = ir.Constant(
                            ir.VectorType(I1, vector_width),
                            [k < group.size % vector_width for k in range(vector_width)],
                        )
                        self._pointwise(group, width, pointers, sums, v, self.i64(full), mask)

    def _chains(self, group: Group) -> list["_Chain"]:
        """The arguments of the group's products, and for each the products that use it, with the
        parts of the weights.
        """
        uses: dict[Value, list] = {}
        for index, made in enumerate(group.products):
            for argument, part in zip(made.args, made.ref):
                uses.setdefault(argument, []).append((index, part))
        chains = sorted(
            (
                _Chain(*self.program.row(argument), argument.size, tuple(used))
                for argument, used in uses.items()
            ),
            key=lambda c: (c.buffer, c.offset),
        )
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
        return choose_vectors(
            max(1, len(group.products)),
            group.size,
            self.vector_width,
            self.target.registers,
            one_row=self.one_row,
        )

    def _stride(self):
        """Rows of an array of scratch, those between the tasks included."""
        b = self.b
        return b.add(self.given["carried"], b.mul(self.given["tasks"], self.i64(APART)))

    def _of_thread(self, arrays: int):
        """Where a thread's rows begin in several arrays of its own, or in what the tasks have in
        turn.
        """
        return (
            self.b.mul(self.thread, self.b.mul(self._stride(), self.i64(arrays)))
            if self.shared_units
            else self.own
        )

    def _sums_of(self, m):
        """Where row m's products of one block are stored: by product, then vector."""
        row = self.b.add(self._of_thread(1), m)
        return self.at(self.bases["products"], self.b.mul(row, self.i64(self.product_width)))

    def _lines(self, number: int, chain: "_Chain"):
        """Write down where the rows of an argument lie, one address after another; returns where
        they are written down.

        Where products are of bfloat16, the rows are rounded, and lie where that is written.
        """
        b = self.b
        row = b.add(self._of_thread(self.lines), b.mul(self.i64(number), self._stride()))
        lines = b.gep(self.bases["lines"], [row], source_etype=I64)
        with self.loop(0, self.rows) as m:
            address = self.at(self._row(chain.buffer, m), chain.offset)
            if self.factors == 16:
                out = self.at(self.bases["rounded"], b.mul(b.add(row, m), self.i64(self.rounded)))
                self.round_row(address, out, self.i64(chain.depth))
                address = out
            b.store(b.ptrtoint(address, I64), b.gep(lines, [m], source_etype=I64))
        return lines

    def _fill(self, group: Group, chain: "_Chain", rows, width: int, block, begun: set[int]):
        """Multiply an argument by the packed weights of the products that use it, for all rows.

        `begun` holds the products that have sums already, from another argument.
        """
        b, uses = self.b, chain.uses
        cells = [p * width + v for p, _ in uses for v in range(width)]
        tile = choose_tile(len(uses), width, self.target.registers, one_row=self.one_row)
        chunks = _chunks(cells, tile)
        if None in map(gap, chunks):
            # The vectors of one part lie side by side.
            tile = choose_tile(1, width, self.target.registers, one_row=self.one_row)
            chunks = _chunks(cells, tile)
        pack = Pack(
            tuple(part for _, part in uses),
            group.size,
            chain.depth,
            tile,
            self.vector_width,
            self.factors == 16,
        )
        self.packs.append(pack)
        depth = pack.turns
        self.products.add((tile.chunk, tile.rows))
        multiply = self.intrinsic(
            tile_product.name(self.factors, self.target, tile.chunk, tile.rows),
            *tile_product.SIGNATURE,
        )
        words = len(WORDS) + len(self.storages) + len(self.packs) - 1
        base = b.inttoptr(self.word(self.words, words), PTR)
        # All shares but the last are whole rounds of the unrolled loop.
        shares = (
            1
            if self.one_row
            else max(1, depth * tile.chunk * self.vector_width * self.bytes // NEAR)
        )
        share = depth // shares // UNROLL * UNROLL if shares > 1 else depth
        line = self._sums_of(self.i64(0))
        for c, count, step in _runs(chunks, width, begun):
            chunk = chunks[c]
            old = sum(1 << k for k, v in enumerate(chunk) if v // width in begun)
            with self.loop(0, count) as turn:
                passed = b.add(
                    b.mul(block, self.i64(len(cells))),
                    b.mul(b.add(turn, self.i64(c)), self.i64(tile.chunk)),
                )
                weights = self.at(base, b.mul(passed, self.i64(depth * self.vector_width)))
                sums = self.at(
                    line,
                    b.add(
                        b.mul(turn, self.i64(step * self.vector_width)),
                        self.i64(chunk[0] * self.vector_width),
                    ),
                )

                def add(start, units, going_on, weights=weights, sums=sums, chunk=chunk):
                    of_share = self.at(
                        weights, b.mul(start, self.i64(tile.chunk * self.vector_width))
                    )
                    b.call(
                        multiply,
                        [
                            rows,
                            start,
                            self.rows,
                            sums,
                            self.i64(self.product_width),
                            self.i64(gap(chunk) * self.vector_width),
                            going_on,
                            of_share,
                            units,
                        ],
                    )

                if shares == 1:
                    add(self.i64(0), self.i64(depth), self.i64(old))
                    continue
                with self.loop(0, shares) as k:
                    last = b.icmp_signed("==", k, self.i64(shares - 1))
                    here = b.select(last, self.i64(depth - share * (shares - 1)), self.i64(share))
                    again = b.select(
                        b.icmp_signed(">", k, self.i64(0)), self.i64(-1), self.i64(old)
                    )
                    add(b.mul(k, self.i64(share)), here, again)
        begun |= {p for p, _ in uses}

    # ---------------------------------------- pointwise work on one vector of units

    def _named(self, group: Group) -> list[str]:
        """The buffers whose rows the pointwise work of a group touches."""
        names, seen = [], set()

        def see(v: Value):
            if v in seen:
                return
            seen.add(v)
            place = self.program.place(v, group)
            if place:
                names.append(place[0])
            elif v not in group.products:
                for a in v.args:
                    see(a)

        for v, buffer, _ in group.stores:
            see(v)
            names.append(buffer)
        for v, _ in group.sums:
            see(v)
        if group.sums:
            names.append("sum")
        return list(dict.fromkeys(names))

    def _pointwise(self, group: Group, width: int, pointers, sums, v, vector, mask, times: int = 1):
        """The group's values for one row and `times` vectors of units (from the v-th of its block):
        read, work out, write.
        """
        b, vector_width = self.b, self.vector_width
        unit = b.mul(vector, self.i64(vector_width))
        done: dict[Value, object] = {}

        def fetch(name, address, write=False):
            """Have what a later row has there brought near: rows lie apart, and processors foresee
            no such thing.
            """
            buffer = self.program.buffers[name]
            if not self.one_row and buffer.rows in ("token", "before", "after"):
                self.fetch(self.at(address, b.mul(self.ahead, self.i64(buffer.width))), write=write)

        def read(name, offset, size):
            if self.program.buffers[name].rows == "byte":
                start = b.gep(pointers[name], [self.i64(offset)], source_etype=I8)
                if size == 1:
                    return self.splat(b.uitofp(b.load(start, typ=I8), self.elem))
                return self.load_bytes(b.gep(start, [unit], source_etype=I8), mask)
            address = self.at(pointers[name], offset)
            if size == 1:
                return self.splat(b.load(address, typ=self.elem))
            address = self.at(address, unit)
            fetch(name, address)
            return self.load(address, mask)

        def emit(value: Value):
            if value in done:
                return done[value]
            place = self.program.place(value, group)
            if place:
                result = read(*place, value.size)
            elif value.op == "number":
                result = self.constant(value.ref)
            elif value in group.products:
                cell = b.add(
                    b.mul(v, self.i64(vector_width)),
                    self.i64(group.products.index(value) * width * vector_width),
                )
                result = b.load(self.at(sums, cell), typ=self.vec, align=self.bytes)
            elif value.op == "widen":
                result = emit(value.args[0])
            else:
                result = self._operation(value.op, [emit(a) for a in value.args], value)
            done[value] = result
            return result

        with self.wider(times):
            results = [(emit(value), buffer, offset) for value, buffer, offset in group.stores]
            parts = [(emit(value), slot) for value, slot in group.sums]
            for result, buffer, offset in results:
                address = self.at(self.at(pointers[buffer], offset), unit)
                fetch(buffer, address, write=True)
                if self.program.buffers[buffer].rows == "added":
                    result = b.fadd(self.load(address, mask), result)
                self.store(result, address, mask)
        for result, slot in parts:
            if mask is not None:
                result = b.select(mask, result, self.constant(0.0))
            address = self._partial(pointers["sum"], slot)
            for part in self.parts(result, times):
                self._store_sum(address, *self._two_sum(*self._load_sum(address), part))

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
            case "abs" | "floor", (x,):
                name = {"abs": "fabs", "floor": "floor"}[op]
                return b.call(
                    self.intrinsic(
                        f"llvm.{name}.v{self.vector_width}f{self.bits}", self.vec, [self.vec]
                    ),
                    [x],
                )
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
                return vector_math.emit(b, op, x)

    def _fused(self, value, args):
        """A product and a sum in one instruction, where one of the two is a product that was just
        made.
        """
        for k, a in enumerate(value.args):
            if a.op == "mul" and isinstance(args[k], ir.Instruction) and args[k].opname == "fmul":
                x, y = args[k].operands
                return self.fma(x, y, args[1 - k])
        return None

    # ------------------------------------------------------------ sums over units
    #
    # A row's sum is two vectors: the sums of the numbers of each place of a vector, and the sums of
    # the rounding errors of these. Without the errors a mean of equal numbers would not be that
    # number, and `v - mean(v)` would be noise, not 0.

    def _two_sum(self, total, error, number):
        """Add a vector of numbers to a sum. Source: Knuth, The Art of Computer Programming 2,
        section 4.2.2, theorem B.
        """
        b = self.b
        added = b.fadd(total, number)
        moved = b.fsub(added, total)
        lost = b.fadd(b.fsub(total, b.fsub(added, moved)), b.fsub(number, moved))
        return added, b.fadd(error, lost)

    def _partial(self, sum_row, slot: int):
        """Where a row adds up one sum; found from the row's place in the buffer `sum`."""
        b = self.b
        offset = b.sub(b.ptrtoint(sum_row, I64), b.ptrtoint(self.bases["sum"], I64))
        row = self.b.inttoptr(
            b.add(
                b.ptrtoint(self.bases["partial"], I64),
                b.mul(offset, self.i64(2 * self.vector_width)),
            ),
            PTR,
        )
        return self.at(row, slot * 2 * self.vector_width)

    def _load_sum(self, address):
        return tuple(
            self.b.load(self.at(address, k * self.vector_width), typ=self.vec, align=self.bytes)
            for k in range(2)
        )

    def _store_sum(self, address, total, error):
        for k, vector in enumerate((total, error)):
            self.b.store(vector, self.at(address, k * self.vector_width), align=self.bytes)

    def _finish_sums(self, sums: list[tuple[int, int]]):
        """Work out each sum, or mean, from its vectors, and clear these for the next step.

        Args:
            sums: Place and divisor of each.
        """
        b = self.b
        with self.loop(0, self.rows) as m:
            row = self._row("sum", m)
            for slot, divisor in sums:
                address = self._partial(row, slot)
                total, error = self._load_sum(address)
                self._store_sum(address, self.constant(0.0), self.constant(0.0))
                count = self.vector_width
                while count > 1:
                    count //= 2
                    total, lost = self._two_sum(
                        total, self._moved(error, count), self._moved(total, count)
                    )
                    error = b.fadd(error, lost)
                b.store(self._quotient(total, error, divisor), self.at(row, slot), align=self.bytes)

    def _moved(self, vector, places: int):
        """A vector with its numbers moved to the front by `places`."""
        order = [*range(places, 2 * places), *([0] * (self.vector_width - places))]
        return self.b.shuffle_vector(
            vector,
            ir.Constant(self.vec, ir.Undefined),
            ir.Constant(ir.VectorType(I32, self.vector_width), order),
        )

    def _quotient(self, total, error, divisor: int):
        """The first number of a sum, with its error, divided by a whole number: as precise as if
        the sum were exact.
        """
        b, count = self.b, ir.Constant(self.elem, float(divisor))
        total, error = (b.extract_element(vector, ir.Constant(I32, 0)) for vector in (total, error))
        # Where the sum is not finite, neither is the error.
        exact = b.fcmp_ordered("ord", error, error)
        if divisor == 1:
            return b.select(exact, b.fadd(total, error), total)
        result = b.fdiv(total, count)
        fma = self.intrinsic(f"llvm.fma.f{self.bits}", self.elem, [self.elem] * 3)
        rest = b.fadd(b.call(fma, [b.fneg(result), count, total]), error)
        return b.select(exact, b.fadd(result, b.fdiv(rest, count)), result)
