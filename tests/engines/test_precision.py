"""precision="bfloat16": the factors of products rounded, by the CPU engine's instructions and by
the reference engine.
"""

import ctypes
from dataclasses import replace

import llvmlite.binding as llvm
import pytest
import torch

from ostinato import GRU, LSTM, RNN, Recurrent, engines
from ostinato.cells.classic import CELLS
from ostinato.compiler.plan import Plan
from ostinato.engines import doctor, memory, precision, reference
from ostinato.engines.kernels import (
    bfloat16_pairs,
    jit,
    job_list,
    row_product,
    tile_product,
    weight_gradient,
)
from ostinato.engines.kernels.builder import PTR, Code, Target
from ostinato.engines.kernels.time_loop import Kernel
from ostinato.errors import EngineError, InputError

host, why = jit.host()
has_engine = pytest.mark.skipif(host is None, reason=why)
WAYS = ["instructions", "float32"]


@pytest.fixture(params=WAYS)
def way(request, compile_for):
    """Each way to multiply rounded factors: by the processor's instructions for bfloat16, and in
    float32.
    """
    if host is None or request.param == "instructions" and not host.bfloat16:
        pytest.skip(f"bfloat16 instructions are not used here: {why}")
    target = replace(host, bfloat16=request.param == "instructions")
    compile_for(target)
    return target


@pytest.fixture
def two_threads():
    """torch with two threads; the number is put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def made(name, inputs=9, hidden=21, **others):
    graph = CELLS[name].graph
    sizes = {letter: 5 for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}}
    return Recurrent(name, inputs, hidden, sizes=sizes, precision="bfloat16", **others)


def run(layer, x, engine, *, factors=None, **others):
    """A layer's output and states and, of their sum times some factors, all gradients."""
    layer.engine = engine
    layer.zero_grad()
    x = x.clone().requires_grad_()
    output, states = layer(x, **others)
    states = [states] if isinstance(states, torch.Tensor) else states
    factors = torch.ones_like(output) if factors is None else factors
    ((output * factors).sum() + sum(s.sum() for s in states)).backward()
    return [
        t.detach().clone() for t in (output, *states, x.grad, *(p.grad for p in layer.parameters()))
    ]


# ---------------------------------------------------------------- both engines


@pytest.mark.parametrize(
    "rows, steps, inputs, hidden, lengths",
    [
        (5, 7, 9, 21, None),
        (5, 7, 9, 21, [7, 0, 3, 5, 1]),
        (30, 4, 16, 32, None),
        (1, 1, 4, 5, None),
        (1, 6, 9, 21, None),
        (1, 6, 400, 301, None),
        (4, 6, 300, 301, [3, 6, 6, 1]),
    ],
    ids=str,
)
def test_whole_numbers_are_rounded_alike_by_both_engines(
    way, rows, steps, inputs, hidden, lengths, two_threads
):
    # Sums of whole numbers are exact, in any order, so that both engines round the same numbers.
    # The weights are few, and -1 or 1, for the numbers to stay below 2^24; many are above 2^8, so
    # that they are rounded.
    layer = RNN(
        inputs,
        hidden,
        nonlinearity="relu",
        bidirectional=True,
        batch_first=True,
        precision="bfloat16",
    )
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randint(-1, 2, p.shape) * (torch.rand(p.shape) < 3 / p.shape[-1]))
    x = torch.randint(-600, 601, (rows, steps, inputs)).float()
    factors = torch.randint(-300, 301, (rows, steps, 2 * hidden)).float()
    mine = run(layer, x, "cpu", factors=factors, lengths=lengths)
    wanted = run(layer, x, "reference", factors=factors, lengths=lengths)
    for a, b in zip(mine, wanted, strict=True):
        assert torch.equal(a, b) and b.abs().max() < 2**24
    layer.precision = None
    unrounded = run(layer, x, "cpu", factors=factors, lengths=lengths)
    assert not all(map(torch.equal, unrounded, wanted))


@pytest.mark.parametrize(
    "rows, steps, lengths", [(5, 7, [7, 0, 3, 5, 1]), (13, 3, None), (1, 6, None)], ids=str
)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_the_reference_rounded(way, name, rows, steps, lengths, close):
    layer, x = made(name, bidirectional=True), torch.randn(rows, steps, 9)
    mine, wanted = (run(layer, x, engine, lengths=lengths) for engine in ("cpu", "reference"))
    # As near as bfloat16 allows: where two sums differ in their last digit, they may be rounded to
    # neighbours.
    for a, b in zip(mine, wanted, strict=True):
        close(a, b, torch.bfloat16)
    with torch.no_grad():
        layer.engine = "cpu"
        close(layer(x, lengths=lengths)[0], wanted[0], torch.bfloat16)
    layer.precision = None
    assert (run(layer, x, "cpu", lengths=lengths)[0] - mine[0]).abs().max() > 1e-4


@pytest.mark.parametrize("rows", [1, 2, 40])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "lstm_peephole", "min_gru"])
def test_a_step_of_numbers_that_are_bfloat16_is_as_near_as_float32(way, name, rows, close):
    layer, x = made(name, 33, 47), precision.rounded(torch.randn(rows, 1, 33))
    states = tuple(precision.rounded(torch.randn(1, rows, 47)) for _ in CELLS[name].graph.states)
    results = []
    for engine in ("cpu", "reference"):
        layer.engine = engine
        output, ends = layer(x, states)
        results.append([output, *ends])
    for mine, wanted in zip(*results, strict=True):
        close(mine, wanted)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", ["lstm", "gru_original", "layer_norm_lstm"])
def test_any_number_of_threads_rounds_the_same(way, name, batch, close):
    layer, x, before, results = (
        made(name, 30, 260),
        torch.randn(batch, 6, 30),
        torch.get_num_threads(),
        [],
    )
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(run(layer, x, "cpu"))
    torch.set_num_threads(before)
    for result in results[1:]:
        for mine, wanted in zip(result, results[0], strict=True):
            close(mine, wanted, torch.bfloat16)


def test_a_stream_gives_what_the_layer_gives(way, close):
    layer, x = made("lstm", num_layers=2), torch.randn(3, 5, 9)
    stream = layer.stream(batch_size=3)
    close(torch.stack([stream.step(x[:, t]) for t in range(5)], 1), layer(x)[0], torch.bfloat16)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_repeated_call_gives_the_same(way, name, batch):
    layer, x = made(name, batch_first=False), torch.randn(4, batch, 9)
    with torch.no_grad():
        first, _, ready = (layer(x) for _ in range(3))
        assert (
            layer._accepted.kinds
            and torch.equal(first[0], ready[0])
            and all(map(torch.equal, first[1], ready[1]))
        )
        layer.precision = None
        exact = [layer(x)[0] for _ in range(2)]
        assert torch.equal(*exact) and not torch.equal(exact[0], first[0])
        layer.precision = "bfloat16"
        assert torch.equal(layer(x)[0], first[0])


@has_engine
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_compiled_stream_gives_the_same(name, batch, close):
    layer, x = made(name), torch.randn(4, batch, 9)
    stream = layer.stream(batch)
    output = [stream.step(step) for step in x]
    assert stream._compiled
    with torch.no_grad():
        close(torch.stack(output, 1), layer(x.transpose(0, 1))[0], torch.bfloat16)
    layer.precision = None
    exact = layer.stream(batch)
    assert not torch.equal(exact.step(x[0]), output[0])


@has_engine
@pytest.mark.parametrize("lengths", [None, [7, 0, 3, 5, 1]], ids=str)
def test_a_checkpointed_layer_has_the_same_gradients(lengths, close):
    layer, x = made("gru", bidirectional=True), torch.randn(5, 7, 9)
    wanted = run(layer, x, "cpu", lengths=lengths)
    layer.checkpoint = 3
    for a, b in zip(run(layer, x, "cpu", lengths=lengths), wanted, strict=True):
        close(a, b, torch.bfloat16)
    layer.precision = None
    assert not torch.equal(run(layer, x, "cpu", lengths=lengths)[0], wanted[0])


def test_an_optimiser_step_is_seen(way, close):
    layer, x = made("gru"), torch.randn(3, 4, 9)
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(3):
        mine = run(layer, x, "cpu")
        optimiser.step()
        for a, b in zip(run(layer, x, "cpu"), run(layer, x, "reference"), strict=True):
            close(a, b, torch.bfloat16)
        assert not torch.equal(mine[0], run(layer, x, "cpu")[0])


@pytest.mark.parametrize(
    "W, U",
    [
        (torch.randn(4, 5).T, torch.randn(10, 10)[::2, ::2]),
        (torch.randn(5, 1).expand(5, 4), torch.randn(1, 5).expand(5, 5)),
    ],
    ids=["strided", "expanded"],
)
def test_weights_that_are_not_rows_of_memory(way, W, U, close):
    given = dict(
        inputs=(torch.randn(6, 2, 4),),
        states=(None,),
        weights={"W": W, "U": U, "b": torch.zeros(10)[::2]},
    )
    graph = CELLS["elman"].graph
    close(
        engines.scan(graph, **given, engine="cpu", precision="bfloat16")[0],
        reference.scan(graph, maths=precision.MATHS, **given)[0],
        torch.bfloat16,
    )


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_torch_names_take_a_precision(way, layer, close):
    mine, x = layer(9, 21, 2, precision="bfloat16"), torch.randn(6, 4, 9)
    assert "precision='bfloat16'" in repr(mine) and all(
        p.dtype is torch.float32 for p in mine.parameters()
    )
    for a, b in zip(run(mine, x, "cpu"), run(mine, x, "reference"), strict=True):
        close(a, b, torch.bfloat16)


@pytest.mark.parametrize("name", ["lstm", "gru_original"])
def test_float32_is_what_there_is_without_a_precision(name, engine):
    layer, x = made(name), torch.randn(3, 4, 9)
    layer.precision = "float32"
    named = run(layer, x, engine)
    layer.precision = None
    assert all(map(torch.equal, named, run(layer, x, engine)))


# ---------------------------------------------------------------- what the reference computes


def test_a_product_and_its_gradients_have_rounded_factors():
    x, matrix, d = (
        torch.randn(3, 2, 9, requires_grad=True),
        torch.randn(9, 5, requires_grad=True),
        torch.randn(3, 2, 5),
    )
    y = precision.product(x, matrix)
    d_x, d_matrix = torch.autograd.grad(y, [x, matrix], d)
    rx, rm, rd = (precision.rounded(t.detach()) for t in (x, matrix, d))
    assert torch.equal(y, rx @ rm) and torch.equal(d_x, rd @ rm.T)
    torch.testing.assert_close(d_matrix, torch.einsum("abi,abo->io", rx, rd))
    assert torch.equal(rx, x.detach().bfloat16().float()) and not torch.equal(rx, x.detach())


def test_a_product_has_a_second_derivative():
    x, matrix = torch.randn(4, 9, requires_grad=True), torch.randn(9, 5, requires_grad=True)
    (d_x,) = torch.autograd.grad(precision.product(x, matrix).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(d_x.sum(), matrix)
    (d_x,) = torch.autograd.grad((x @ matrix).square().sum(), x, create_graph=True)
    (unrounded,) = torch.autograd.grad(d_x.sum(), matrix)
    assert 0 < (second - unrounded).abs().max() < 0.03 * unrounded.abs().max()


@has_engine
def test_a_second_derivative_is_the_references(close):
    layer, x = made("lstm"), torch.randn(2, 3, 9, requires_grad=True)
    results = []
    for engine in ("cpu", "reference"):
        layer.engine = engine
        (d,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(d.square().sum(), list(layer.parameters())))
    for mine, wanted in zip(*results, strict=True):
        close(mine, wanted, torch.bfloat16)


def test_it_can_be_transformed():
    layer, x = made("elman"), torch.randn(3, 2, 4, 9)
    layer.engine = "reference"
    with torch.no_grad():
        torch.testing.assert_close(
            torch.func.vmap(lambda one: layer(one)[0])(x), torch.stack([layer(one)[0] for one in x])
        )


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("chunk, height", [(1, 1), (5, 1), (2, 12), (4, 6)])
def test_a_tile_multiplies_every_number_of_rows_and_pairs(way, chunk, height, close):
    target = way
    tile = tile_product.Product(16, target, chunk, height)
    kinds = {"rows": ctypes.c_void_p, "sums": ctypes.c_void_p, "weights": ctypes.c_void_p}
    compiled = jit.Compiled(tile.text, tile.name)
    multiply = ctypes.CFUNCTYPE(
        None, *(kinds.get(name, ctypes.c_int64) for name in tile_product.ARGUMENTS)
    )(compiled.address)
    for count in (1, 2, 5, 12, 13, 25):
        for depth in (0, 1, 3, 4, 9):
            weights, x = (
                torch.randn(depth, chunk, target.vector_width, 2).bfloat16(),
                torch.randn(count, 1 + depth, 2).bfloat16(),
            )
            given = x if target.bfloat16 else x.float()
            sums, rows = (
                torch.full((count, chunk * target.vector_width), torch.nan),
                torch.tensor([row.data_ptr() for row in given]),
            )
            multiply(
                rows.data_ptr(),
                1,
                count,
                sums.data_ptr(),
                sums.shape[1],
                target.vector_width,
                0,
                weights.data_ptr(),
                depth,
            )
            close(sums, torch.einsum("rkp,kvlp->rvl", x[:, 1:].float(), weights.float()).flatten(1))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "count, depth, size",
    [(1, 1, 1), (7, 5, 3), (13, 32, 50), (row_product.STRETCH + 5, 301, 64), (30, 16, 127)],
)
def test_rows_times_a_matrix_have_rounded_factors(
    way, count, depth, size, transposed, threads, close
):
    x, weight = torch.randn(count, depth + 2)[:, 2:], torch.randn(size, depth)
    many = row_product.Rows("W", transposed, size, depth, 16)
    packed, _ = many.pack({"W": weight.T.contiguous() if transposed else weight}, memory.empty)
    out, scratch = (
        torch.full((count, many.width + 1), 7.0),
        torch.full((threads, many.scratch), torch.nan),
    )
    words = many.words(
        out.data_ptr(),
        out.stride(0),
        x.data_ptr(),
        x.stride(0),
        count,
        packed.data_ptr(),
        scratch.data_ptr(),
    )
    job_list.JobList([job_list.Job(many.function, words, threads)]).run({})
    close(out[:, :size], precision.rounded(x) @ precision.rounded(weight).T)
    assert (out[:, -1] == 7).all()


@pytest.mark.parametrize(
    "count, units, columns", [(1, 1, 1), (2, 3, 16), (7, 13, 33), (64, 40, 300), (501, 129, 65)]
)
def test_an_outer_product_has_rounded_factors(way, count, units, columns, close):
    d, x, tokens = (
        torch.randn(count, units),
        torch.randn(count, columns),
        torch.arange(count + weight_gradient.AHEAD),
    )
    out, jobs, given = torch.full((units, columns), torch.nan), [], count
    pointers = [(t.data_ptr(), t.shape[1]) for t in (d, x)]
    if way.bfloat16:
        given = -(-count // 2)
        factors = [torch.empty(given, t.shape[1]) for t in (d, x)]
        jobs = [
            bfloat16_pairs.pairs(
                two.data_ptr(), two.shape[1], pointer, (tokens.data_ptr(), count), 2
            )
            for two, pointer in zip(factors, pointers)
        ]
        pointers = [(two.data_ptr(), two.shape[1]) for two in factors]
    job = weight_gradient.outer(
        16, out.data_ptr(), units, columns, *pointers, (tokens.data_ptr(), given), 2
    )
    job_list.JobList([*jobs, replace(job, waits=bool(jobs))]).run({})
    close(out, precision.rounded(d).T @ precision.rounded(x))


class _Rounds(Code):
    """Rounds numbers; the words: where to, from where, and how many."""

    def __init__(self, target):
        super().__init__(16, target)
        self.enter(("out", "x", "count"))
        out, x = (self.b.inttoptr(self.given[name], PTR) for name in ("out", "x"))
        self.round_row(x, out, self.given["count"])
        self.b.ret_void()
        self.text = str(self.module)


@has_engine
def test_rounding_in_float32_is_torchs(compile_for):
    compile_for(target := replace(host, bfloat16=False))
    bits = torch.randint(-(2**31), 2**31, (100_000,)).int()
    x = torch.cat(
        [
            bits.view(torch.float32),
            torch.tensor([torch.inf, -torch.inf, torch.nan, 0.0, -0.0, 1e-45, 3.4e38]),
            1 + 2.0**-8 * torch.arange(-9, 9),
        ]
    )
    out = torch.empty(len(x) + target.vector_width)
    job = job_list.Job(
        jit.Compiled(_Rounds(target).text, "run"), [out.data_ptr(), x.data_ptr(), len(x)], 1
    )
    job_list.JobList([job]).run({})
    wanted = precision.rounded(x)
    assert torch.equal(out[: len(x)].isnan(), wanted.isnan())
    assert torch.equal(
        out[: len(x)].nan_to_num(7).view(torch.int32), wanted.nan_to_num(7).view(torch.int32)
    )


# Of no machine in particular.
TARGET = Target(16, 32, bfloat16=True)


@pytest.mark.parametrize(
    "text, instruction",
    [
        (lambda: tile_product.Product(16, TARGET, 2, 12).text, "vdpbf16ps"),
        (lambda: weight_gradient.Outer(16, TARGET).text, "vdpbf16ps"),
        (
            lambda: row_product._RowsCode(16, TARGET, tile_product.Tile(2, 2, 12)).text,
            "vcvtneps2bf16",
        ),
        (lambda: bfloat16_pairs.Pairs(TARGET).text, "vcvtneps2bf16"),
        (
            lambda: (
                Kernel(
                    Plan(CELLS["lstm"].graph, {"I": 20, "H": 41}).infer,
                    16,
                    TARGET,
                    descending=False,
                    one_row=False,
                    shared_units=False,
                ).text
            ),
            "vcvtneps2bf16",
        ),
    ],
    ids=["product", "outer", "rows", "pairs", "kernel"],
)
def test_the_code_uses_the_processors_instructions(text, instruction):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("x86_64-linux-gnu")
    assembly = target.create_target_machine(
        cpu="cooperlake", features="-prefer-256-bit", opt=3
    ).emit_assembly(llvm.parse_assembly(text()))
    assert instruction in assembly and "zmm" in assembly


# ---------------------------------------------------------------- errors


def test_an_unknown_precision_is_named():
    with pytest.raises(EngineError, match="precision='bf16': the precisions are float32, bfloat16"):
        Recurrent("gru", 3, 4, precision="bf16")(torch.zeros(2, 3, 3))


@pytest.mark.parametrize("engine", [None, "cpu", "reference"])
def test_a_precision_is_for_float32_layers(engine):
    layer = Recurrent("gru", 3, 4, precision="bfloat16", engine=engine).double()
    with pytest.raises(
        InputError, match="precision='bfloat16' with a layer of torch.float64.*layer.float()"
    ):
        layer(torch.zeros(2, 3, 3, dtype=torch.float64))


@pytest.mark.skipif(host is None, reason=why)
@pytest.mark.parametrize("target", jit.TARGETS.values(), ids=jit.TARGETS)
def test_a_processor_without_the_instructions_computes_the_same(target, compile_for, close):
    compile_for(target)
    layer, x = Recurrent("gru", 7, 21, precision="bfloat16"), torch.randn(5, 3, 7)
    for a, b in zip(run(layer, x, "cpu"), run(layer, x, "reference"), strict=True):
        close(a, b, torch.bfloat16)


def test_without_a_vector_unit_the_reference_engine_rounds(monkeypatch):
    monkeypatch.setattr(jit, "host", lambda: (None, "this one"))
    layer, x = Recurrent("gru", 3, 4, precision="bfloat16"), torch.randn(2, 3, 3)
    with pytest.raises(EngineError, match="engine='cpu' cannot run this: this one"):
        run(layer, x, "cpu")
    assert all(map(torch.equal, run(layer, x, None), run(layer, x, "reference")))


# ---------------------------------------------------------------- which way is taken


@pytest.mark.parametrize(
    "processor, has, vector_width, forced, used, why",
    [
        ("znver4", True, 16, "", True, "it is faster on znver4"),
        ("znver5", True, 16, "", True, "it is faster on znver5"),
        (
            "sapphirerapids",
            True,
            16,
            "",
            False,
            "AVX512_BF16 is not known to be faster on sapphirerapids",
        ),
        ("cooperlake", True, 16, "", False, "AVX512_BF16 is not known to be faster on cooperlake"),
        ("cooperlake", True, 16, "1", True, "OSTINATO_BFLOAT16=1"),
        ("znver4", True, 16, "0", False, "OSTINATO_BFLOAT16=0"),
        ("znver4", True, 8, "", False, "AVX512_BF16 needs 16 numbers per vector"),
        ("skylake-avx512", False, 16, "", False, "skylake-avx512 does not have AVX512_BF16"),
        ("neoverse-n1", False, 4, "0", False, "neoverse-n1 does not have AVX512_BF16"),
    ],
)
def test_the_instructions_are_used_where_they_are_known_to_be_faster(
    processor, has, vector_width, forced, used, why, monkeypatch
):
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: processor)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"avx512bf16": has})
    monkeypatch.setenv("OSTINATO_BFLOAT16", forced)
    assert jit._bfloat16.__wrapped__(vector_width) == (used, why)


@pytest.mark.parametrize("has, vector_width", [(False, 16), (True, 8)])
def test_instructions_that_are_not_there_cannot_be_forced(has, vector_width, monkeypatch):
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "this one")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"avx512bf16": has})
    monkeypatch.setenv("OSTINATO_BFLOAT16", "1")
    with pytest.raises(InputError, match="OSTINATO_BFLOAT16=1: .*leave it out"):
        jit._bfloat16.__wrapped__(vector_width)


@has_engine
def test_the_doctor_tells_which_way_is_taken_and_why():
    told = {name: why for name, _, why in doctor()}["cpu"]
    taken = (
        "multiplied by AVX512_BF16 (" if host.bfloat16 else "rounded, and multiplied in float32 ("
    )
    assert f"precision='bfloat16': {taken}" in told
