"""The generated code of two kernels is what it was. Where a change of it is meant,
`python tests/test_kernel.py` writes it again.
"""

import re
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from ostinato.cells.classic import CELLS
from ostinato.compiler.plan import Plan
from ostinato.engines.kernels import jit
from ostinato.engines.kernels.builder import Target
from ostinato.engines.kernels.time_loop import APART, Kernel
from ostinato.engines.loops import Loops

GOLDEN = Path(__file__).parent / "golden"
# One with a product and an activation, and one that runs from the last step to the first and adds
# up a gradient. 5 units are a vector of 4 and a masked one.
KERNELS = [("elman", "infer"), ("min_gru", "backward")]
SIZES = {"I": 3, "H": 5}
# Of no machine in particular, so that the text is the same on all.
TARGET = Target(vector_width=4, registers=32)


def made(cell: str, loop: str) -> Kernel:
    return Kernel(
        getattr(Plan(CELLS[cell].graph, SIZES), loop),
        32,
        TARGET,
        descending=loop == "backward",
        one_row=True,
        shared_units=False,
    )


def write():
    """Write the golden texts."""
    GOLDEN.mkdir(exist_ok=True)
    for cell, loop in KERNELS:
        (GOLDEN / f"{cell}_{loop}.ll").write_text(made(cell, loop).text, encoding="utf-8")


@pytest.mark.parametrize("cell, loop", KERNELS)
def test_the_code_of_a_kernel_is_what_it_was(cell, loop):
    wanted = (GOLDEN / f"{cell}_{loop}.ll").read_text(encoding="utf-8")
    assert made(cell, loop).text.splitlines() == wanted.splitlines()


@pytest.mark.parametrize("cell, loop", KERNELS)
def test_the_code_is_valid(cell, loop):
    module = llvm.parse_assembly(made(cell, loop).text)
    module.verify()
    assert {f.name for f in module.functions if not f.is_declaration} == {"run"}


def test_a_kernel_makes_each_product_with_its_weights_packed():
    elman, min_gru = made("elman", "infer"), made("min_gru", "backward")
    (pack,) = elman.packs
    assert (pack.parts, pack.size, pack.depth, pack.vector_width) == (
        (("U", False, 0, 0),),
        5,
        5,
        4,
    )
    assert elman.products == {(2, 1)}
    assert min_gru.packs == []


def test_a_kernel_takes_the_arrays_of_its_loop_and_makes_none_for_itself():
    assert made("elman", "infer").storages == [
        "weight b",
        "before 0",
        "state h",
        "products",
        "lines",
    ]
    assert made("elman", "infer").scratch == {"products": 8, "lines": 2}
    assert set(made("min_gru", "backward").storages) == {
        "gradient h",
        "gradient output",
        "backward 0",
        "added b",
        "kept",
        "weight b",
        "before 0",
        "state h",
    }


def test_units_that_fill_no_vector_are_masked():
    assert re.search(
        r"llvm\.masked\.store\.v4f32.*i1 true, i1 false, i1 false, i1 false",
        made("elman", "infer").text,
    )


@pytest.mark.parametrize("bits, vector_width", [(32, 4), (64, 2)])
def test_a_vector_of_float64_has_half_the_vector_width(bits, vector_width):
    program = Plan(CELLS["elman"].graph, SIZES).infer
    kernel = Kernel(program, bits, TARGET, descending=False, one_row=True, shared_units=False)
    assert kernel.vector_width == vector_width
    assert f"llvm.fma.v{vector_width}f{bits}" in kernel.text


def test_threads_that_share_units_meet_after_each_phase():
    plan = Plan(CELLS["gru_original"].graph, SIZES)
    kernel = Kernel(plan.infer, 32, TARGET, descending=False, one_row=True, shared_units=True)
    assert kernel.text.count("atomicrmw add") == plan.infer.phases == 2


def wide(cell: str, loop: str, units: int) -> bool:
    """Whether pointwise work on two vectors at a time is among the code."""
    plan = Plan(CELLS[cell].graph, {"I": 3, "H": units})
    return (
        "fadd <8 x float>"
        in Kernel(
            getattr(plan, loop),
            32,
            TARGET,
            descending=loop == "backward",
            one_row=False,
            shared_units=False,
        ).text
    )


def test_forward_works_on_two_vectors_at_a_time_where_there_are_two():
    assert wide("elman", "infer", 8) and wide("elman", "train", 13)
    assert not wide("elman", "infer", 7) and not wide("elman", "backward", 8)


@pytest.mark.skipif(jit.host()[0] is None, reason="no kernels for this processor")
@pytest.mark.parametrize("shared_units, arrays", [(False, 1), (True, 2)])
def test_scratch_of_two_threads_has_rows_between(shared_units, arrays):
    plan = Plan(CELLS["lstm"].graph, SIZES, ahead=False)
    loop = Loops(plan).loop("infer", 32, one_row=shared_units, shared_units=shared_units)
    kernel = Kernel(
        plan.infer,
        32,
        jit.host()[0],
        descending=False,
        one_row=shared_units,
        shared_units=shared_units,
    )
    rows, tasks = 1 if shared_units else 6, 1 if shared_units else 2
    found = loop.scratch(rows, tasks, 2)
    # an address is two numbers of float32, and there is one for each row of each of the two
    # arguments
    assert found["lines"] == arrays * (rows + APART * tasks) * 2 * kernel.lines
    assert APART * 8 >= 128


if __name__ == "__main__":
    write()
