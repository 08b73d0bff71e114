"""Lists of jobs: their order, their waiting for each other, their threads, and their relocations."""

import functools

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels import jit, job_list
from ostinato.engines.kernels.builder import I64, PTR, Code
from ostinato.engines.kernels.job_list import Job, JobList, Relocation, ReusableList

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)


class Note(Code):
    """Writes down, for each thread, 10 times what stands in its own place or in a neighbour's, and
    1 more.
    """

    def __init__(self):
        super().__init__(32, jit.host()[0])
        self.enter(("numbers", "from"))
        b, numbers = self.b, self.b.inttoptr(self.given["numbers"], PTR)
        neighbour = b.srem(b.add(self.thread, self.given["from"]), self.threads)
        read, write = (
            b.gep(numbers, [b.mul(place, self.i64(8))], source_etype=I64)
            for place in (neighbour, self.thread)
        )
        b.store(b.add(b.mul(b.load(read, typ=I64), self.i64(10)), self.i64(1)), write)
        b.ret_void()
        self.text = str(self.module)


@functools.cache
def note() -> jit.Compiled:
    return jit.Compiled(Note().text, "run")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_thread_runs_each_job_in_order(threads):
    numbers = torch.zeros(threads, 8, dtype=torch.int64)
    jobs = [Job(note(), [numbers.data_ptr(), 0], threads) for _ in range(5)]
    JobList(jobs).run({})
    assert numbers[:, 0].tolist() == [11111] * threads


def test_a_job_that_waits_sees_what_all_have_made():
    numbers = torch.zeros(2, 8, dtype=torch.int64)
    for _ in range(200):
        numbers.zero_()
        jobs = [
            Job(note(), [numbers.data_ptr(), 0], 2),
            Job(note(), [numbers.data_ptr(), 0], 1, waits=True),
            Job(note(), [numbers.data_ptr(), 1], 1, waits=True),
        ]
        JobList(jobs).run({})
        assert numbers[:, 0].tolist() == [111, 1]


def test_lists_run_side_by_side_on_threads_of_their_own():
    numbers = [torch.zeros(2, 8, dtype=torch.int64) for _ in range(3)]
    lists = [
        JobList([Job(note(), [n.data_ptr(), 0], many, waits=k > 0) for k in range(2)])
        for n, many in zip(numbers, (2, 1, 2))
    ]
    job_list.run([(jobs, {}) for jobs in lists])
    assert [n[:, 0].tolist() for n in numbers] == [[11, 11], [11, 0], [11, 11]]


def test_relocations_stand_for_what_a_call_knows():
    numbers, here = torch.zeros(4, 8, dtype=torch.int64), Relocation("here")
    jobs = JobList(
        [
            Job(note(), [here + 64, 0], 1),
            Job(note(), [Relocation("there"), Relocation("from")], 1),
        ]
    )
    start = numbers.data_ptr()
    for _ in range(2):
        jobs.run({"here": start, "there": start + 128, "from": 0})
    assert numbers[:, 0].tolist() == [0, 11, 11, 0]
    # The words of a run that has ended are filled in again where a number is another one.
    numbers.zero_()
    for there in (0, 64, 0, 192):
        jobs.run({"here": start + 64, "there": start + there, "from": 0})
    assert numbers[:, 0].tolist() == [11, 1, 1111, 1]
    numbers[:, 0] = torch.tensor([0, 11, 11, 0])
    reusable = ReusableList(jobs, {"there": start, "from": 0})
    reusable.run([start + 128])
    assert numbers[:, 0].tolist() == [1, 11, 11, 1]
    assert [*reusable.places] == ["here"]


def test_a_relocation_is_replaced_by_a_number_or_by_another_relocation():
    job = Job(note(), [Relocation("here", 8), Relocation("there", 16)], 1)
    placed = job.placed({"here": 100, "there": Relocation("elsewhere", 1)})
    assert placed.words == [108, Relocation("elsewhere", 17)]
    assert job.placed({"here": 100}).words == [108, Relocation("there", 16)]
