"""The pages docs/cells.md and docs/cells.ko.md, made from the cells, and the measurements that they show.

    python -m ostinato.catalogue docs       writes the pages into the directory docs
    python -m ostinato.catalogue measure    times every cell, and writes benchmarks/cells.json, which the pages show
"""

import inspect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .cells import CELLS, classic, contrib, research
from .engines.loops import multiply_adds
from .errors import InputError, OstinatoError
from .files import read_json, write_json, write_whole
from .graph import Graph, Size
from .language import Cell
from .recurrent import Recurrent

FORMAT = 1
TIMES = Path("benchmarks/cells.json")
PAGES = {"en": "cells.md", "ko": "cells.ko.md"}
FAMILIES = {"classic": classic.CELLS, "contrib": contrib.CELLS, "research": research.CELLS}
# B, T, I, H of the measurements; every other letter of a cell stands for OTHER units.
SHAPE, OTHER = (32, 100, 64, 128), 64
MODES = ("inference", "training")

# ---------------------------------------------------------------- what is said of a cell


def described(cell: Cell) -> tuple[list[str], str]:
    """A cell's docstring: the paragraphs about it, and its source, each on one line.

    Example:
        >>> from ostinato.cells import min_gru
        >>> described(min_gru)
        (['Minimal GRU: gate and candidate see the input alone.'], 'Feng et al., Were RNNs All We Needed? (2024).')
    """
    text, _, source = inspect.getdoc(cell.function).partition("Source: ")
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")], " ".join(source.split())


def parameters(graph: Graph) -> str:
    """How many parameters a cell has for each of its H units.

    Example:
        >>> from ostinato.cells import fast_rnn, lstm
        >>> parameters(lstm.graph), parameters(fast_rnn.graph)
        ('4*H + 4*I + 4', 'H + I + 1 + 2/H')
    """
    total = Size(0)
    for weight in graph.weights.values():
        product = Size(1)
        for size in weight.shape:
            product = product * size
        total = total + product
    terms = []
    for letters, count in sorted(total.terms, key=lambda term: (-len(term[0]), term)):
        left = list(letters)
        over = "" if "H" in left else "/H"
        if not over:
            left.remove("H")
        factors = ([] if count == 1 and left else [str(count)]) + left
        terms.append("*".join(factors) + over)
    return " + ".join(terms)


def work(graph: Graph, shape: Sequence[int] = SHAPE) -> int:
    """The multiply-adds of products that a cell makes for a step of a row, at the I and H of a shape (B, T, I, H)."""
    letters = graph.letters | graph.output.size.letters
    return multiply_adds(graph, dict.fromkeys(letters, OTHER) | {"I": shape[2], "H": shape[3]})


# ---------------------------------------------------------------- times


@dataclass(frozen=True)
class Times:
    """What was measured, on one machine in one run.

    Attributes:
        processor: Its name.
        threads: CPU threads.
        date: The day.
        shape: B, T, I, H.
        seconds: The median of a call, by cell and mode.
    """

    processor: str
    threads: int
    date: str
    shape: tuple[int, int, int, int]
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    def shown(self, name: str, mode: str) -> list[str]:
        """Milliseconds, and the time for each multiply-add as a multiple of the LSTM's; dashes where there are none."""
        if name not in self.seconds:
            return ["-", "-"]
        each = [self.seconds[n][mode] / work(CELLS[n].graph, self.shape) for n in (name, "lstm")]
        return [f"{1e3 * self.seconds[name][mode]:#.3g}", f"{each[0] / each[1]:.2f}x"]


def read(path: Path) -> Times:
    """What `measure` wrote.

    Raises:
        InputError: There is no such file, or it is no file of times.
    """
    found = read_json(path)
    try:
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']!r}, and this version reads {FORMAT}")
        seconds = {name: {mode: float(taken[mode]) for mode in MODES} for name, taken in found["seconds"].items()}
        shape = tuple(map(int, found["shape"]))
        if "lstm" not in seconds or len(shape) != len(SHAPE):
            raise ValueError("no times of the LSTM, or no shape of four sizes")
        return Times(str(found["processor"]), int(found["threads"]), str(found["date"]), shape, seconds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{str(path)!r} is no file of cells' times ({type(error).__name__}: {error}); write one with: "
                         "python -m ostinato.catalogue measure") from error


def measure(path: Path, *, names: Sequence[str] = tuple(CELLS), shape: Sequence[int] = SHAPE, threads: int | None = None,
            budget: float = 60.0, fewest: int = 5, say: Callable[[str], None] = print) -> Times:
    """Time cells by turns, in this process, and write what came of it.

    Args:
        path: The JSON file to write.
        names: The cells; "lstm", beside which the others are shown, is among them in any case.
        shape: B, T, I, H.
        threads: CPU threads; None for torch's number.
        budget: Seconds for each mode after which no further round begins.
        fewest: Rounds there are in any case.
        say: Is told what comes next.
    """
    from .bench.measure import alternate, machine, torch_threads, tried

    names = list(dict.fromkeys(["lstm", *names]))
    threads = threads or torch.get_num_threads()
    seconds: dict[str, dict[str, float]] = {name: {} for name in names}
    with torch_threads(threads), torch.random.fork_rng(devices=()):
        for mode in MODES:
            say(f"{mode}: {len(names)} cells")
            torch.manual_seed(0)
            runners = {name: _runner(name, mode, shape) for name in names}
            takes = {name: tried(runner) for name, runner in runners.items()}
            for name, (median, *_) in alternate(runners, takes, budget, fewest).items():
                seconds[name][mode] = float(f"{median:.4g}")
    times = Times(machine()["processor"], threads, time.strftime("%Y-%m-%d"), tuple(shape), seconds)
    write_json(path, {"format": FORMAT} | vars(times))
    return times


def _runner(name: str, mode: str, shape: Sequence[int]):
    """What is timed: a cell's layer without gradients, or with those of the input and of all weights."""
    from .bench.peers import Runner

    rows, steps, inputs, hidden = shape
    graph = CELLS[name].graph
    letters = {letter: OTHER for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}}
    layer = Recurrent(name, inputs, hidden, sizes=letters, batch_first=False)
    given = [torch.randn(steps, rows, size.at(letters | {"I": inputs, "H": hidden})) for size in graph.inputs.values()]
    x = given[0] if len(given) == 1 else tuple(given)

    def inference():
        with torch.inference_mode():
            return layer(x)

    gradient = torch.randn(steps, rows, layer.output_size)
    wanted = [given[0].requires_grad_(mode == "training"), *layer.parameters()]

    def train():
        return torch.autograd.grad(layer(x)[0], wanted, gradient, allow_unused=True)

    return Runner(train if mode == "training" else inference)


# ---------------------------------------------------------------- the pages

IRNN = '''\
import torch
import ostinato
from ostinato import relu
from ostinato.cells import elman

irnn = ostinato.Recurrent(elman.with_constants(activation=relu), input_size=2, hidden_size=100)
with torch.no_grad():
    torch.nn.init.eye_(irnn.U_l0)
    torch.nn.init.normal_(irnn.W_l0, std=0.001)
    torch.nn.init.zeros_(irnn.b_l0)
'''
CHRONO = '''\
from ostinato.weights import chrono

layer = ostinato.Recurrent("lstm", input_size=8, hidden_size=16)
with torch.no_grad():
    layer.b_l0.copy_(chrono(784, (-1, 1, 0, 0))(layer.b_l0.shape))
'''
ECHO = '''\
reservoir = ostinato.Recurrent("elman", input_size=1, hidden_size=200, dtype=torch.float64).requires_grad_(False)
reservoir.U_l0 *= 0.9 / torch.linalg.eigvals(reservoir.U_l0).abs().max()

x = torch.sin(torch.arange(1001, dtype=torch.float64) / 5)[None, :, None]
h, _ = reservoir(x[:, :-1])
seen, wanted = h[0, 100:], x[0, 101:]
readout = torch.linalg.solve(seen.T @ seen + 1e-6 * torch.eye(200), seen.T @ wanted)
print(bool((seen @ readout - wanted).abs().max() < 0.001))
'''
RECIPES = (IRNN, CHRONO, ECHO)

ENGLISH = {
    "title": "The cells",
    "other": "[한국어](cells.ko.md)",
    "intro": (
        (
            "Every cell here is its equations, and a layer by its name: `ostinato.Recurrent(\"gru\", input_size=64, "
            "hidden_size=128)`. The equations are printed from what is computed, and this page is made from the code by "
            "`python -m ostinato.catalogue docs`. How a cell of your own is written stands in [the cell language](language.md)."
        ),
        (
            "States are `h_{t-1}` before the step and `h_t` after it; `split(z, 4)` cuts a value into four equal parts. Biases "
            "are kept where a paper leaves them out. Constants, such as a forget bias, are changed with "
            "`cell.with_constants(...)`."
        ),
    ),
    "all": "All at a glance",
    "columns": (
        "cell", "parameters for each of the H units", "multiply-adds", "linear", "inference, ms", "beside the LSTM",
        "training, ms", "beside the LSTM",
    ),
    "legend": (
        "- Multiply-adds are those of the products for a step of a row, where I is {I}, H is {H} and any other letter "
        "{other}.\n- Linear: every new state is linear in the old ones, with coefficients that inputs and weights alone "
        "decide.\n- Times are of a batch of {B} over {T} steps. Beside the LSTM: the time for each multiply-add, as a multiple "
        "of the LSTM's in the same run. Training is forward, and backward to the input and all weights."
    ),
    "measured": "Measured on {date}: {processor}, threads: {threads}.",
    "unmeasured": "Nothing has been measured yet: `python -m ostinato.catalogue measure` does.",
    "yes": "yes",
    "source": "Source: {}",
    "classic": "Cells that everyone knows",
    "contrib": "Cells of TensorFlow 1",
    "research": "Cells of research",
    "recipes": "What is no cell",
    "recipe": (
        (
            "IRNN",
            (
                "A simple network of `relu` whose recurrent matrix starts as the identity. Source: Le, Jaitly and Hinton, A "
                "Simple Way to Initialize Recurrent Networks of Rectified Linear Units (2015)."
            ),
        ),
        (
            "Chrono initialisation",
            (
                "Biases of an LSTM after which each unit remembers for another time, of up to 784 steps here; the gates are in "
                "the order `i, f, g, o`. Source: Tallec and Ollivier, Can Recurrent Neural Networks Warp Time? (2018)."
            ),
        ),
        (
            "Echo state network",
            (
                "A simple network whose weights stay as they are, with a largest eigenvalue below 1, and a readout by ridge "
                "regression. The first 100 steps are left out, for they still know the zeros that the state began with. "
                "Source: Jaeger, The \"echo state\" approach to analysing and training recurrent neural networks (2001)."
            ),
        ),
    ),
}

KOREAN = {
    "title": "셀 목록",
    "other": "[English](cells.md)",
    "intro": (
        (
            "여기 있는 셀은 모두 수식 그대로이고, 이름으로 층을 만듭니다: `ostinato.Recurrent(\"gru\", input_size=64, "
            "hidden_size=128)`. 수식은 실제로 계산하는 것에서 출력한 것이고, 이 문서는 `python -m ostinato.catalogue docs`가 "
            "코드에서 만듭니다. 셀을 직접 쓰는 법은 [셀 언어](language.ko.md)에 있습니다."
        ),
        (
            "상태는 시점 앞에서 `h_{t-1}`, 뒤에서 `h_t`입니다. `split(z, 4)`는 값을 넷으로 똑같이 나눕니다. 논문에 없는 편향도 "
            "둡니다. 망각 편향 같은 상수는 `cell.with_constants(...)`로 바꿉니다."
        ),
    ),
    "all": "한눈에 보기",
    "columns": (
        "셀", "H개 유닛 하나에 드는 매개변수", "곱셈-덧셈", "선형", "추론, ms", "LSTM 대비", "학습, ms", "LSTM 대비",
    ),
    "legend": (
        "- 곱셈-덧셈은 한 행의 한 시점에 행렬 곱이 하는 수입니다. I는 {I}, H는 {H}이고 다른 문자는 {other}입니다.\n- 선형: 새 "
        "상태가 모두 앞 상태에 대해 선형이고, 그 계수를 입력과 가중치만으로 정합니다.\n- 시간은 배치 {B}, {T}시점의 것입니다. "
        "LSTM 대비는 곱셈-덧셈 하나에 드는 시간이 같은 실행에서 잰 LSTM의 몇 배인지입니다. 학습은 순방향과, 입력과 모든 "
        "가중치까지의 역방향입니다."
    ),
    "measured": "{date}에 쟀습니다: {processor}, 스레드 {threads}개.",
    "unmeasured": "아직 재지 않았습니다. `python -m ostinato.catalogue measure`가 잽니다.",
    "yes": "예",
    "source": "출처: {}",
    "classic": "누구나 아는 셀",
    "contrib": "텐서플로 1의 셀",
    "research": "연구에서 나온 셀",
    "recipes": "셀이 아닌 것",
    "recipe": (
        (
            "IRNN",
            (
                "순환 행렬이 단위 행렬에서 시작하는, `relu`를 쓰는 단순 신경망입니다. 출처: Le, Jaitly and Hinton, A Simple "
                "Way to Initialize Recurrent Networks of Rectified Linear Units (2015)."
            ),
        ),
        (
            "크로노 초기화",
            (
                "유닛마다 다른 시간을 기억하게 하는 LSTM의 편향으로, 여기서는 784시점까지입니다. 게이트의 순서는 `i, f, g, "
                "o`입니다. 출처: Tallec and Ollivier, Can Recurrent Neural Networks Warp Time? (2018)."
            ),
        ),
        (
            "에코 상태 신경망",
            (
                "가장 큰 고윳값이 1보다 작은 가중치를 그대로 두는 단순 신경망과, 릿지 회귀로 구한 출력층입니다. 처음 100시점은 "
                "상태가 시작한 0의 흔적이 남아 있어 뺍니다. 출처: Jaeger, The \"echo state\" approach to analysing and "
                "training recurrent neural networks (2001)."
            ),
        ),
    ),
}

# What the docstrings say, in Korean.
IN_KOREAN = {
    "elman": "단순 순환 신경망입니다.",
    "gru": "리셋 게이트가 행렬 곱 뒤에 있는 게이트 순환 유닛입니다(cuDNN과 torch.nn의 것).",
    "gru_original": "리셋 게이트가 행렬 곱 앞에 있는 게이트 순환 유닛입니다.",
    "layer_norm_lstm": (
        "두 행렬 곱과, 출력이 보는 셀 상태를 층 정규화하는 LSTM입니다.\n\n논문에서 게이트의 편향 셋(정규화마다 하나, 게이트에 "
        "하나)은 늘 더해질 뿐이므로 여기서는 하나입니다."
    ),
    "lstm": "망각 게이트가 있는 장단기 기억입니다. `cell_clip`은 셀 상태를 0에서 그 거리 안에 둡니다.",
    "lstm_full": (
        "텐서플로 1의 LSTMCell에 있는 것을 모두 갖춘 LSTM입니다. 핍홀(없어도 됨), 클리핑, 투영이 있습니다.\n\n투영이 없으면 "
        "`lstm_peephole`이고, 핍홀도 없으면 `lstm`입니다."
    ),
    "lstm_peephole": "게이트가 셀 상태를 보는 LSTM입니다.",
    "lstm_projected": "출력을 유닛 P개로 투영하고, torch.nn.LSTM(proj_size=P)처럼 핍홀이 없는 LSTM입니다.",
    "min_gru": "최소 GRU: 게이트와 후보가 입력만 봅니다.",
    "cfn": "혼돈이 없는 신경망: 입력이 없으면 상태가 0으로 갑니다. 입력의 몫은 텐서플로에서처럼 1 - i이고, 논문에서는 i입니다.",
    "coupled_lstm": "망각 게이트가 남기는 것이 입력 게이트인 LSTM으로, 핍홀은 있어도 없어도 됩니다.",
    "coupled_lstm_projected": "같은 셀의 출력을 유닛 P개로 투영한 것입니다.",
    "grid1_lstm": "깊이 한 차원의 LSTM 격자: 시점에서 시점으로 가는 것이 없습니다.",
    "grid1_rnn": "깊이 한 차원의 격자: 시점에서 시점으로 가는 것이 없습니다.",
    "grid2_lstm": "시간(1), 그다음 깊이(0)의 두 차원인 격자 LSTM입니다.",
    "grid2_rnn": "시간(1), 그다음 깊이(0)의 두 차원인 단순 신경망의 격자입니다.",
    "grid3_lstm": "세 차원의 격자 LSTM: 나란한 둘(1과 2), 그다음 깊이(0)입니다.",
    "ind_rnn": "독립 순환 신경망: 유닛마다 입력과 자기 상태만 봅니다.",
    "indy_gru": "유닛마다 입력과 자기 상태만 보는 GRU입니다.",
    "indy_lstm": "유닛마다 입력과 자기 상태들만 보는 LSTM입니다.",
    "intersection": "교차 신경망(+RNN): 시간의 게이트 옆에 깊이의 게이트가 있어 출력의 크기가 입력과 같습니다.",
    "intersection_projected": "맨 아래층의 교차 신경망: 입력을 먼저 유닛 H개로 투영하고, 깊이의 게이트가 그것을 통과시킵니다.",
    "layer_norm_basic_lstm": (
        "게이트마다, 그리고 정규화된 채 이어지는 셀 상태 자체를 층 정규화하는 LSTM입니다.\n\n논문에서는 "
        "`layer_norm_lstm`에서처럼 두 행렬 곱을 각각 정규화하고 셀 상태는 그대로 이어집니다."
    ),
    "minimal_rnn": "최소 신경망: 새 값은 입력만으로 만들고, 게이트 하나가 그것을 상태와 섞습니다.",
    "nas": "신경망 구조 탐색이 언어 모델링을 위해 찾아낸 셀입니다.",
    "sru": "단순 순환 유닛: 게이트는 입력만 보고, 출력은 상태와 입력의 행렬 곱을 섞은 것입니다.",
    "ugrnn": "갱신 게이트 신경망: 게이트 하나가 상태를 얼마나 남길지 정합니다.",
    "antisymmetric_rnn": (
        "커지지도 사라지지도 않는 운동 방정식을 따라 `epsilon`만큼 가는 한 걸음으로, 감쇠 `gamma`만 있습니다. 게이트는 "
        "없습니다."
    ),
    "cornn": (
        "결합 진동자: `y`는 진동자의 위치, `z`는 속도입니다. 상수는 sMNIST의 것입니다.\n\n감쇠는 저자들의 코드처럼 양함수로 "
        "계산합니다."
    ),
    "fast_grnn": (
        "게이트와 후보가 행렬을 함께 쓰는 게이트 신경망입니다. 편향과 두 수는 저자들의 코드(EdgeML)처럼 시작합니다.\n\n행렬은 "
        "온전합니다. 논문의 낮은 계수, 희소성, 양자화는 뺐습니다."
    ),
    "fast_rnn": "두 수로 가중한 잔차 연결이 있는 단순 신경망입니다. 두 수는 저자들의 코드(EdgeML)처럼 시작합니다.",
    "janet": "망각 게이트만 있는 LSTM으로, 784시점의 시퀀스에 맞게 시작합니다. `beta`는 잊는 것보다 많이 받아들이게 합니다.",
    "lem": "긴 표현 기억: 상태가 둘이고, 각각 유닛마다 최대 `dt`인 자기 시간 간격이 있습니다.",
    "li_gru": "가벼운 GRU: 리셋 게이트가 없고 tanh 대신 ReLU를 씁니다. 논문에서 W x에 하는 배치 정규화는 뺐습니다.",
    "lru": (
        "선형 순환 유닛: 유닛마다 제 나름대로 돌고 줄어드는 복소 대각 행렬로, 여기서는 실수 상태 둘입니다.\n\n언어에 사인이 "
        "없으므로 exp(theta)는 논문의 각도 절반의 탄젠트이고, 0부터 pi까지 모든 각도에 이릅니다. 그 너머의 각도는 켤레여서 "
        "같은 실수 출력을 냅니다. 입력의 배율은 논문에서 시작할 때의 값 그대로인데, B가 다른 배율을 배울 수 있기 때문입니다. D "
        "x까지 층 전체의 출력이 여기 있고, 층 사이에 놓이는 논문의 비선형 블록은 없습니다."
    ),
    "mgu": "최소 게이트 유닛: 게이트 하나가 리셋도 갱신도 하는 GRU입니다.",
    "min_lstm": "최소 LSTM: 게이트와 후보가 입력만 보고, 게이트의 합은 1입니다.",
    "mut1": "탐색으로 찾은, GRU를 닮은 세 셀 가운데 첫째입니다. 입력의 크기가 어떻든 되도록, 논문의 x가 여기서는 P x입니다.",
    "mut2": "탐색으로 찾은, GRU를 닮은 세 셀 가운데 둘째입니다. 입력의 크기가 어떻든 되도록, 논문의 x가 여기서는 P x입니다.",
    "mut3": "탐색으로 찾은, GRU를 닮은 세 셀 가운데 셋째입니다.",
    "phased_lstm": (
        "유닛이 차례로 열리는, 핍홀이 있는 LSTM입니다. 유닛마다 시각 `s`에 시작하는 주기 `tau` 가운데 `r_on`만큼 열립니다.\n\n"
        "`t`는 그 시점의 시각입니다. 닫힌 것은 `alpha`만큼 새는데, 논문은 학습이 끝나면 이것을 0으로 둡니다."
    ),
    "qrnn": "준순환 신경망: 두 시점의 합성곱과 fo-풀링입니다. `p`에는 앞 시점의 행렬 곱이 있습니다.",
    "rg_lru": (
        "실수 게이트 선형 순환 유닛입니다. `n`은 논문 수식의 x로, 블록에서 그 앞에 있는 선형 층이 만든 것입니다.\n\n게이트는 "
        "그것이 아니라 셀의 x를 봅니다."
    ),
    "slstm": (
        "지수 입력 게이트가 있는 LSTM입니다. `n`은 게이트의 값을 더해 가고, `c`와 `n`에서는 e의 `m`제곱이 빠져 있습니다.\n\n"
        "망각 게이트는 시그모이드이고, 헤드는 하나입니다."
    ),
}


def page(language: str, times: Times | None = None) -> str:
    """One of the pages, as Markdown.

    Args:
        language: "en" or "ko".
        times: What was measured; None where nothing was.
    """
    words = {"en": ENGLISH, "ko": KOREAN}[language]
    rows, steps, inputs, hidden = times.shape if times else SHAPE
    legend = words["legend"].format(B=rows, T=steps, I=inputs, H=hidden, other=OTHER)
    measured = words["measured"].format(**vars(times)) if times else words["unmeasured"]
    parts = [f"# {words['title']}", words["other"], *words["intro"]]
    parts += [f"## {words['all']}", f"{legend}\n- {measured}", _table(words, times)]
    for family, cells in FAMILIES.items():
        parts.append(f"## {words[family]}")
        for name, made in cells.items():
            parts += _entry(name, made, language, words)
    parts.append(f"## {words['recipes']}")
    for (title, text), code in zip(words["recipe"], RECIPES, strict=True):
        parts += [f"### {title}", text, f"```python\n{code}```"]
    return "\n\n".join([*parts, "```text\nTrue\n```"]) + "\n"


def _table(words: Mapping, times: Times | None) -> str:
    """All cells, one a line."""
    lines = [f"| {' | '.join(words['columns'])} |", "|---|---|" + "---:|" * (len(words["columns"]) - 2)]
    for name, made in CELLS.items():
        shown = [value for mode in MODES for value in (times.shown(name, mode) if times else ["-", "-"])]
        cells = [f"[`{name}`](#{name})", f"`{parameters(made.graph)}`", f"{work(made.graph, times.shape if times else SHAPE):,}",
                 words["yes"] if made.graph.is_linear else "", *shown]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _entry(name: str, made: Cell, language: str, words: Mapping) -> list[str]:
    """All that is said of one cell."""
    paragraphs, source = described(made)
    if language == "ko":
        paragraphs = IN_KOREAN[name].split("\n\n")
    latex = ["<details><summary>LaTeX</summary>", f"```latex\n{made.equations('latex')}\n```", "</details>"]
    return [f"### `{name}`", *paragraphs, words["source"].format(source), f"```text\n{made.equations()}\n```", *latex]


def write(folder: Path, times: Path = TIMES) -> list[Path]:
    """Write both pages.

    Args:
        folder: The directory for them.
        times: What `measure` wrote; where there is no such file the pages say that nothing was measured.

    Raises:
        InputError: The directory cannot be written, or `times` is no file of times.
    """
    known = read(times) if times.exists() else None
    pages = {folder / name: page(language, known) for language, name in PAGES.items()}
    for path, text in pages.items():
        write_whole(path, text.encode())
    return list(pages)


def main(words: Sequence[str]) -> int:
    """Run `python -m ostinato.catalogue`, with what follows it; gives the exit code."""
    try:
        match list(words):
            case ["docs", *folder] if len(folder) < 2:
                print("\n".join(map(str, write(Path(*folder or ["docs"])))))
            case ["measure", *path] if len(path) < 2:
                measure(Path(*path or [TIMES]))
            case _:
                raise InputError(f"python -m ostinato.catalogue {' '.join(words)}: write docs [DIRECTORY] to make the pages, or "
                                 "measure [FILE.json] to time the cells")
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
