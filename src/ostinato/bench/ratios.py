"""Private: files of speed ratios to compare later runs with; ratios do not depend on the clock or
on a busy hour.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ..data.files import read_bytes
from ..errors import InputError
from .rows import PEERS, BenchmarkRun, Row, times_as_fast

RATIOS_FORMAT = 1
# A ratio may decrease by this fraction, plus this number of standard errors of the two.
SLACK, ERRORS = 0.1, 3.0
# A larger allowed decrease is reported.
BLIND = 0.3


@dataclass(frozen=True)
class Ratio:
    """Speed-up over a library, and its relative standard error."""

    ratio: float
    uncertainty: float


@dataclass(frozen=True)
class Comparison:
    """A row compared with an earlier run.

    Attributes:
        row: The name of the row.
        peer: The library whose ratio fell least, relative to what is allowed.
        before, now: The ratios.
        allowed: The relative decrease that is allowed.
    """

    row: str
    peer: str
    before: float
    now: float
    allowed: float

    @property
    def beyond(self) -> float:
        """Distance of the ratio from the allowed minimum; negative if the row is slower."""
        return self.now / self.before - 1 + self.allowed

    def line(self) -> str:
        """One line of text."""
        return (
            f"slower: {self.row} compared with {PEERS.get(self.peer, self.peer)}: "
            f"{times_as_fast(self.before)} before, {times_as_fast(self.now)} now "
            f"({100 * (self.now / self.before - 1):+.0f}%; -{100 * self.allowed:.0f}% is allowed)"
        )


def _name(row: Row) -> str:
    layers = "" if row.shape.single else f" L={row.shape.layers} D={row.shape.directions}"
    return f"{row.layer} {row.mode} {','.join(map(str, row.shape[:4]))}{layers}"


def _ratios(run: BenchmarkRun) -> dict[str, dict[str, Ratio]]:
    """Ratios by row and library."""
    return {
        _name(row): {
            name: Ratio(row.ratios[name], math.hypot(row.ours.uncertainty, times.uncertainty))
            for name, times in row.peers.items()
        }
        for row in run.rows
    }


def saved(run: BenchmarkRun) -> dict:
    """The ratios of a run as JSON."""
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
    """Read a file written from `saved`, with its rows as ratios by row and library.

    Raises:
        InputError: The file does not exist, or is not a file of ratios.
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
            f"--compare {path}: this is not a file of ratios ({type(error).__name__}: {error}); "
            "write one with: ostinato bench --save-ratios FILE"
        ) from error


def compare_rows(
    before: dict[str, dict[str, Ratio]], now: dict[str, dict[str, Ratio]]
) -> list[Comparison]:
    """The rows in both runs, the largest decrease first.

    A ratio may decrease by SLACK plus ERRORS standard errors of the two. A row is slower if its
    ratios to all libraries decreased by more: if one did not, the other libraries became faster.
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
    """The comparison of a run with a file of `read` as lines of text, and whether a row is
    slower.
    """
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
            f"another processor: {before['processor']} in {path}, {run.machine['processor']} now; "
            "ratios differ between processors, so this says little about a change of the code"
        )
    if before["threads"] != run.threads:
        lines.append(
            f"another number of threads: {before['threads']} in {path}, {run.threads} now; ratios "
            "differ with it"
        )
    lines += [f"other versions: {'; '.join(changed)}"] * bool(changed)
    lines += [h.line() for h in worse]
    lines.append(
        f"{len(found)} rows compared with {path}: {len(worse)} slower"
        + f"; {missing} of the file's rows are not in this run" * (missing > 0)
    )
    lines += [
        f"{blind} of them vary so much that a decrease of more than {100 * BLIND:.0f}% may go "
        "unnoticed"
    ] * (blind > 0)
    return lines, bool(worse)
