"""The text of the pages of the cells that is not made from the code, in both languages."""

IRNN = """\
import torch
import ostinato
from ostinato import relu
from ostinato.cells import elman

irnn = ostinato.Recurrent(elman.with_constants(activation=relu), input_size=2, hidden_size=100)
with torch.no_grad():
    torch.nn.init.eye_(irnn.U_l0)
    torch.nn.init.normal_(irnn.W_l0, std=0.001)
    torch.nn.init.zeros_(irnn.b_l0)
"""
CHRONO = """\
from ostinato.language.initialisers import chrono

layer = ostinato.Recurrent("lstm", input_size=8, hidden_size=16)
with torch.no_grad():
    layer.b_l0.copy_(chrono(784, (-1, 1, 0, 0))(layer.b_l0.shape))
"""
ECHO = """\
reservoir = ostinato.Recurrent("elman", input_size=1, hidden_size=200, dtype=torch.float64).requires_grad_(False)
reservoir.U_l0 *= 0.9 / torch.linalg.eigvals(reservoir.U_l0).abs().max()

x = torch.sin(torch.arange(1001, dtype=torch.float64) / 5)[None, :, None]
h, _ = reservoir(x[:, :-1])
seen, wanted = h[0, 100:], x[0, 101:]
readout = torch.linalg.solve(seen.T @ seen + 1e-6 * torch.eye(200), seen.T @ wanted)
print(bool((seen @ readout - wanted).abs().max() < 0.001))
"""
RECIPES = (IRNN, CHRONO, ECHO)

ENGLISH = {
    "title": "The cells",
    "other": "[한국어](cells.ko.md)",
    "intro": (
        (
            "Every cell of Ostinato with its equations, its cost and its paper. A layer takes a cell "
            'by its name: `ostinato.Recurrent("gru", input_size=64, hidden_size=128)`. The equations '
            "are printed from what is computed, and this page is made from the code by "
            "`python -m catalogue docs`. How to write your own cell is in [the cell "
            "language](language.md)."
        ),
        (
            "The state is `h_{t-1}` before the step and `h_t` after it. `split(z, 4)` cuts a value "
            "into four equal parts. Biases are kept where a paper leaves them out. Change "
            "constants, such as a forget bias, with `cell.with_constants(...)`."
        ),
    ),
    "all": "Comparison",
    "columns": (
        "cell",
        "parameters per unit (H)",
        "multiply-adds",
        "linear",
        "inference, ms",
        "relative to LSTM",
        "training, ms",
        "relative to LSTM",
        "`classify`, accuracy",
        "`generate`, nats per character",
    ),
    "legend": (
        "Multiply-adds are those of the matrix products for one step of one row, with I = {I}, "
        "H = {H} and {other} for any other letter.\n- Linear: every new state is linear in the old "
        "ones, with coefficients that only depend on inputs and weights.\n- Times are for a batch "
        "of {B} over {T} steps. Relative to LSTM: the time for each multiply-add, divided by the "
        "LSTM's in the same run. Training is forward, and backward to the input and all weights."
    ),
    "measured": "Measured on {date}: {processor}, threads: {threads}.",
    "unmeasured": "The cells have not been timed yet: run `python -m catalogue measure`.",
    "classify": (
        "`classify`: accuracy on {test_rows} hand gestures of 4 kinds, after {steps} training steps "
        "with batches of {batch} from {rows:,} others. One layer of {hidden} units in each "
        "direction, a peak learning rate of {learning_rate:g}. One gesture more or fewer is "
        "{one:.3f}."
    ),
    "generate": (
        "`generate`: nats per character (lower is better) on {test_rows:,} characters of "
        "Shakespeare's plays, after {steps} training steps with batches of {batch} x "
        "{sequence_length} characters from {rows:,} others. One layer of {hidden} units, a peak "
        "learning rate of {learning_rate:g}."
    ),
    "results": (
        "Both results are of one seed and one short budget for all cells, with the defaults of "
        "`ostinato train`. Nothing was tuned for a cell. Cells with similar results may change "
        "places with another seed, and a cell with a worse result may only need more steps or "
        'another learning rate. The results do not say which cell is best. "Two inputs": the '
        "cell also needs the time of each step, which these tasks do not have."
    ),
    "untrained": "The cells have not been trained yet: run `python -m catalogue train DATA`.",
    "alt": "Training time relative to the LSTM's, and result, of every cell: a panel for classify "
    "and one for generate",
    "caption": (
        "Every cell with a result. Further right means a longer training time, relative to the "
        "LSTM at the same H, whatever the number of multiply-adds. Higher up means a better "
        "result, on an axis that widens towards the best."
    ),
    "diverged": "diverged",
    "inputs": "two inputs",
    "yes": "yes",
    "source": "Source: {}",
    "classic": "Classic cells",
    "contrib": "Cells of TensorFlow 1",
    "research": "Cells from research",
    "recipes": "Recipes with existing cells",
    "recipe": (
        (
            "IRNN",
            (
                "A simple network with `relu` whose recurrent matrix starts as the identity. "
                "Source: Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks of "
                "Rectified Linear Units (2015)."
            ),
        ),
        (
            "Chrono initialisation",
            (
                "Biases of an LSTM with which each unit remembers for a different time, here up to 784 "
                "steps. The gates are in the order `i, f, g, o`. Source: Tallec and Ollivier, Can Recurrent Neural "
                "Networks Warp Time? (2018)."
            ),
        ),
        (
            "Echo state network",
            (
                "A simple network whose weights are not trained, with a largest eigenvalue below 1, "
                "and an output layer by ridge regression. The first 100 steps are left out, because "
                "they still depend on the initial zeros of the state. "
                'Source: Jaeger, The "echo state" approach to analysing and training recurrent '
                "neural networks (2001)."
            ),
        ),
    ),
}

KOREAN = {
    "title": "셀 목록",
    "other": "[English](cells.md)",
    "intro": (
        (
            'Ostinato의 모든 셀과 그 수식, 비용, 논문입니다. 층은 셀을 이름으로 받습니다: `ostinato.Recurrent("gru", input_size=64, '
            "hidden_size=128)`. 수식은 실제로 계산하는 것에서 출력한 것이고, 이 문서는 `python -m catalogue docs`가 "
            "코드에서 만듭니다. 셀을 직접 만드는 법은 [셀 언어](language.ko.md)에 있습니다."
        ),
        (
            "상태는 시점 앞에서 `h_{t-1}`, 뒤에서 `h_t`입니다. `split(z, 4)`는 값을 넷으로 똑같이 나눕니다. 논문에 없는 편향도 "
            "둡니다. 망각 편향 같은 상수는 `cell.with_constants(...)`로 바꿉니다."
        ),
    ),
    "all": "비교",
    "columns": (
        "셀",
        "유닛당 매개변수 수(H)",
        "곱셈-덧셈",
        "선형",
        "추론, ms",
        "LSTM 대비",
        "학습, ms",
        "LSTM 대비",
        "`classify`, 정확도",
        "`generate`, 글자당 nat",
    ),
    "legend": (
        "곱셈-덧셈은 한 행의 한 시점에 행렬 곱이 하는 수입니다. I는 {I}, H는 {H}이고 다른 문자는 {other}입니다.\n- 선형: 새 상태가 모두 앞 "
        "상태에 대해 선형이고, 그 계수를 입력과 가중치만으로 정합니다.\n- 시간은 배치 {B}, {T}시점의 것입니다. LSTM 대비는 곱셈-덧셈 하나에 드는 시간이 "
        "같은 실행에서 잰 LSTM의 몇 배인지입니다. 학습은 순방향과, 입력과 모든 가중치까지의 역방향입니다."
    ),
    "measured": "{date}에 쟀습니다: {processor}, 스레드 {threads}개.",
    "unmeasured": "시간은 아직 재지 않았습니다. `python -m catalogue measure`를 실행하세요.",
    "classify": (
        "`classify`: 손짓 {test_rows}개를 4가지로 나눈 정확도입니다. 다른 손짓 {rows:,}개에서 {batch}개씩 뽑은 배치로 {steps}번 "
        "학습했습니다. 층은 방향마다 유닛 {hidden}개인 하나, 학습률은 최대 {learning_rate:g}입니다. 손짓 하나가 {one:.3f}입니다."
    ),
    "generate": (
        "`generate`: 셰익스피어 희곡 {test_rows:,}자에서 잰 글자당 nat로, 적을수록 좋습니다. 다른 {rows:,}자에서 {batch} x "
        "{sequence_length}자씩 뽑은 배치로 {steps}번 학습했습니다. 층은 유닛 {hidden}개인 하나, 학습률은 최대 "
        "{learning_rate:g}입니다."
    ),
    "results": (
        "두 결과 모두 시드 하나와 모든 셀에 똑같은 짧은 예산으로 얻은 것이고, 나머지는 `ostinato train`의 기본값입니다. 셀마다 "
        "맞춰 조정한 것은 없습니다. 서로 가까운 셀은 시드가 바뀌면 순서도 바뀔 수 있고, 뒤진 셀은 더 긴 학습이나 다른 학습률이 "
        '필요할 뿐일 수 있습니다. 어느 셀이 가장 좋은지 말해 주지는 않습니다. "입력 둘": 시점마다 시각도 받는 셀인데, 이 '
        "과제들은 시각을 주지 않습니다."
    ),
    "untrained": "아직 학습하지 않았습니다. `python -m catalogue train DATA`를 실행하세요.",
    "alt": "모든 셀의 LSTM 대비 학습 시간과 결과: classify와 generate 그림 하나씩",
    "caption": (
        "결과가 있는 모든 셀입니다. 오른쪽일수록 학습이 오래 걸립니다. 곱셈-덧셈의 수와 상관없이, H가 같은 LSTM의 시간의 몇 "
        "배인지입니다. 위쪽일수록 결과(정확도, 글자당 nat)가 좋고, 축은 가장 좋은 쪽으로 갈수록 넓어집니다."
    ),
    "diverged": "발산",
    "inputs": "입력 둘",
    "yes": "예",
    "source": "출처: {}",
    "classic": "고전적인 셀",
    "contrib": "TensorFlow 1의 셀",
    "research": "연구에서 나온 셀",
    "recipes": "있는 셀로 만드는 방법",
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
                '상태가 시작한 0의 흔적이 남아 있어 뺍니다. 출처: Jaeger, The "echo state" approach to analysing and '
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
        "TensorFlow 1의 LSTMCell에 있는 것을 모두 갖춘 LSTM입니다. 핍홀(없어도 됨), 클리핑, 투영이 있습니다.\n\n투영이 없으면 "
        "`lstm_peephole`이고, 핍홀도 없으면 `lstm`입니다."
    ),
    "lstm_peephole": "게이트가 셀 상태를 보는 LSTM입니다.",
    "lstm_projected": "출력을 유닛 P개로 투영하고, torch.nn.LSTM(proj_size=P)처럼 핍홀이 없는 LSTM입니다.",
    "min_gru": "최소 GRU: 게이트와 후보가 입력만 봅니다.",
    "cfn": "혼돈이 없는 신경망: 입력이 없으면 상태가 0으로 갑니다. 입력의 몫은 TensorFlow에서처럼 1 - i이고, 논문에서는 i입니다.",
    "coupled_lstm": "망각 게이트가 남기는 것이 입력 게이트인 LSTM으로, 핍홀은 있어도 없어도 됩니다.",
    "coupled_lstm_projected": "같은 셀의 출력을 유닛 P개로 투영한 것입니다.",
    "grid1_lstm": "깊이 한 차원의 LSTM 격자: 시점에서 시점으로 가는 것이 없습니다. 핍홀은 있어도 없어도 됩니다.",
    "grid1_rnn": "깊이 한 차원의 격자: 시점에서 시점으로 가는 것이 없습니다.",
    "grid2_lstm": "시간(1), 그다음 깊이(0)의 두 차원인 격자 LSTM으로, 핍홀은 있어도 없어도 됩니다.",
    "grid2_rnn": "시간(1), 그다음 깊이(0)의 두 차원인 단순 신경망의 격자입니다.",
    "grid3_lstm": "세 차원의 격자 LSTM: 나란한 둘(1과 2), 그다음 깊이(0)입니다. 핍홀은 있어도 없어도 됩니다.",
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
        "커지지도 사라지지도 않는 운동 방정식을 따라 `epsilon`만큼 가는 한 스텝으로, 감쇠 `gamma`만 있습니다. 게이트는 없습니다."
    ),
    "cornn": (
        "결합 진동자: `y`는 진동자의 위치, `z`는 속도입니다. 상수는 sMNIST의 것입니다.\n\n감쇠는 저자들의 코드처럼 양함수로 계산합니다."
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
        "그 선형 층 앞에 있는 셀의 x를 봅니다."
    ),
    "slstm": (
        "지수 입력 게이트가 있는 LSTM입니다. `n`은 게이트의 값을 더해 가고, `c`와 `n`에서는 e의 `m`제곱이 빠져 있습니다.\n\n"
        "망각 게이트는 시그모이드이고, 헤드는 하나입니다."
    ),
}
