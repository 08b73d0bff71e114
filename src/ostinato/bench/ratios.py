"""A file of ratios that later runs are held against: no times, so that a clock, or a busy hour, has
no say.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ..data.files import read_bytes
from ..errors import InputError
from .rows import PEERS, BenchmarkRun, Row, times_as_fast

RATIOS_FORMAT = 1
# A ratio may be less than before by this part of it, and by so many standard errors of the two.
SLACK, ERRORS = 0.1, 3.0
# Where more than this part is allowed, that is said.
BLIND = 0.3


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as a peer we were, and the standard error of that as a part of it."""

    ratio: float
    uncertainty: float


@dataclass(frozen=True)
class Comparison:
    """A row held against what there was.

    Attributes:
        row: What it is.
        peer: The peer whose ratio fell least, for what it may fall.
        before, now: The ratios.
        allowed: The part that the ratio may fall by.
    """

    row: str
    peer: str
    before: float
    now: float
    allowed: float

    @property
    def beyond(self) -> float:
        """How far the ratio is above what is allowed; below 0 the row got worse."""
        return self.now / self.before - 1 + self.allowed

    def line(self) -> str:
        """One line of text."""
        return (
            f"worse: {self.row} beside {PEERS.get(self.peer, self.peer)}: "
            f"{times_as_fast(self.before)} was, {times_as_fast(self.now)} is "
            f"({100 * (self.now / self.before - 1):+.0f}%; -{100 * self.allowed:.0f}% is allowed)"
        )


def _name(row: Row) -> str:
    layers = "" if row.shape.single else f" L={row.shape.layers} D={row.shape.directions}"
    return f"{row.layer} {row.mode} {','.join(map(str, row.shape[:4]))}{layers}"


def _ratios(run: BenchmarkRun) -> dict[str, dict[str, Ratio]]:
    """By row and peer."""
    return {
        _name(row): {
            name: Ratio(row.ratios[name], math.hypot(row.ours.uncertainty, times.uncertainty))
            for name, times in row.peers.items()
        }
        for row in run.rows
    }


def saved(run: BenchmarkRun) -> dict:
    """A run's ratios as JSON has them."""
    return {
        "format": RATIOS_FORMAT,
        "processor": run.machine["processor"],
        "threads": run.threads,
        "versions": run.machine["versions"],
        "rows": {
            row: {peer: [round(r.ratio, 4), round(r.uncertainty, 4)] for peer, r in peers.items()}
            for row, peers in _ratios(run).items()
        },
    }


def read(path: Path) -> dict:
    """What `saved` gave and a file holds, its rows as ratios by row and peer.

    Raises:
        InputError: There is no such file, or it is no file of ratios.
    """
    content = read_bytes(path)
    try:
        found = json.loads(content)
        if found["format"] != RATIOS_FORMAT:
            raise ValueError(f"format {found['format']!r}, and this version reads {RATIOS_FORMAT}")
        rows = {
            row: {peer: Ratio(*map(float, pair)) for peer, pair in peers.items()}
            for row, peers in found["rows"].items()
        }
        return {
            "processor": str(found["processor"]),
            "threads": int(found["threads"]),
            "versions": dict(found["versions"]),
            "rows": rows,
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"--compare {path}: this is no file of ratios ({type(error).__name__}: {error}); "
            "write one with: ostinato bench --save-ratios FILE"
        ) from error


def compare_rows(
    before: dict[str, dict[str, Ratio]], now: dict[str, dict[str, Ratio]]
) -> list[Comparison]:
    """The rows that are in both, those that fell most first.

    A ratio may be less than before by SLACK and ERRORS standard errors of the two. A row got worse
    if its ratios to all peers fell by more: where one peer's did not, the others became faster
    rather than we slower.
    """
    found = []
    for row in before.keys() & now.keys():
        ratios = [
            (peer, before[row][peer], now[row][peer])
            for peer in before[row].keys() & now[row].keys()
        ]
        found += (
            [
                max(
                    (
                        Comparison(
                            row,
                            peer,
                            then.ratio,
                            new.ratio,
                            SLACK + ERRORS * math.hypot(then.uncertainty, new.uncertainty),
                        )
                        for peer, then, new in ratios
                    ),
                    key=lambda h: h.beyond,
                )
            ]
            if ratios
            else []
        )
    return sorted(found, key=lambda h: h.beyond)


def compared(run: BenchmarkRun, before: dict, path: Path) -> tuple[list[str], bool]:
    """What to say of a run beside a file that `read` read, and whether a row got worse."""
    found = compare_rows(before["rows"], _ratios(run))
    worse, blind = [h for h in found if h.beyond < 0], sum(h.allowed > BLIND for h in found)
    missing, versions = len(before["rows"]) - len(found), run.machine["versions"]
    changed = [
        f"{name} {before['versions'].get(name, 'none')} then, {versions.get(name, 'none')} now"
        for name in sorted(before["versions"].keys() | versions)
        if before["versions"].get(name) != versions.get(name)
    ]
    lines = []
    if before["processor"] != run.machine["processor"]:
        lines.append(
            f"another processor: {path} is of {before['processor']}, this is "
            f"{run.machine['processor']}; ratios differ between "
            "processors, so this says little about a change of the code"
        )
    if before["threads"] != run.threads:
        lines.append(
            f"other threads: {before['threads']} in {path}, {run.threads} now; ratios differ with "
            f"them"
        )
    lines += [f"other versions: {'; '.join(changed)}"] * bool(changed)
    lines += [h.line() for h in worse]
    lines.append(
        f"{len(found)} rows compared with {path}: {len(worse)} worse"
        + f"; {missing} of the file's rows are not in this run" * (missing > 0)
    )
    lines += [
        f"{blind} of them are so unsteady that they might fall by more than {100 * BLIND:.0f}% "
        f"unseen"
    ] * (blind > 0)
    return lines, bool(worse)
