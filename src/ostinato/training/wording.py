"""Private: the texts of a report in Korean; a text that is not in the table stays as it is."""

import re
from collections.abc import Callable
from functools import cache

# Korean by English. "{}" stands for a name or a number.
KOREAN = {
    # headings
    "Metrics": "지표",
    "Usage": "사용법",
    "Training curves": "학습 곡선",
    "Confusion matrix": "혼동 행렬",
    "Labels": "레이블별 성능",
    "Calibration": "보정",
    "Forecasts": "예측",
    "Details": "세부 지표",
    "Examples": "예시",
    "Attention maps": "어텐션 맵",
    "Pictures": "그림",
    "Dataset": "데이터",
    "Options": "옵션",
    "In Python": "파이썬에서",
    # metrics
    "accuracy": "정확도",
    "macro F1": "매크로 F1",
    "micro F1": "마이크로 F1",
    "micro f1": "마이크로 F1",
    "macro f1": "매크로 F1",
    "cross-entropy (nats)": "교차 엔트로피(nat)",
    "nats": "교차 엔트로피(nat)",
    "nats per token": "토큰당 교차 엔트로피(nat)",
    "nats per character": "글자당 교차 엔트로피(nat)",
    "span F1": "구간 F1",
    "span f1": "구간 F1",
    "unseen accuracy": "학습에 없던 단어의 정확도",
    "labels unseen": "학습에 없던 레이블 수",
    "bits per character": "글자당 비트",
    "held out bits": "검증 글자당 비트",
    "perplexity": "퍼플렉시티",
    "exact match": "완전 일치",
    "word error rate": "단어 오류율",
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "bleu": "BLEU",
    "80 % interval coverage": "80 % 구간 포함률",
    "95 % interval coverage": "95 % 구간 포함률",
    "80 % interval coverage, all steps ahead": "80 % 구간 포함률(앞으로의 모든 스텝)",
    "80 % interval width": "80 % 구간 폭",
    "MAE relative to the naive forecast": "단순 예측 대비 MAE",
    "MASE, all steps ahead": "MASE(앞으로의 모든 스텝)",
    "higher is better": "클수록 좋음",
    "lower is better": "작을수록 좋음",
    "better": "더 좋음",
    "worse": "더 나쁨",
    "equal": "같음",
    "none": "없음",
    "95 % interval": "95 % 구간",
    "80 % interval": "80 % 구간",
    # baselines
    "baseline": "기준 모델",
    "always {}": "항상 {}(으)로 예측",
    "naive forecast (last value)": "단순 예측(마지막 값)",
    "naive forecast (value one season before)": "계절 단순 예측(한 주기 전 값)",
    "MASE by number of steps ahead": "몇 스텝 앞 예측인지에 따른 MASE",
    "step ahead": "앞 스텝",
    "a uniform guess among {} tokens": "토큰 {}개 중 균등 추측",
    "yes": "예",
    "no": "아니요",
    "the most frequent label at each position of a clip": "클립의 각 위치에서 가장 흔한 레이블",
    "the caption of the most similar training picture": "가장 비슷한 학습 그림의 캡션",
    # charts
    "step": "스텝",
    "steps": "스텝 수",
    "loss": "손실",
    "training": "학습",
    "validation": "검증",
    "best weights": "최적 가중치",
    "past": "과거",
    "actual": "실제",
    "forecast": "예측",
    "residuals (actual minus forecast)": "잔차(실제 − 예측)",
    "mean": "평균",
    "standard deviation": "표준편차",
    "{}, one step ahead": "{}: 한 스텝 앞 예측",
    "{}, the next {} steps": "{}: 다음 {}스텝 예측",
    "distribution of lengths": "길이 분포",
    "rows per label": "레이블별 행 수",
    "reliability diagram": "신뢰도 다이어그램",
    "predicted probability": "예측 확률",
    "fraction correct": "정답 비율",
    "perfect calibration": "완벽한 보정",
    "tokens": "토큰",
    "tokens written": "출력 토큰",
    "words": "단어",
    "frames": "프레임",
    # notes
    "The training loss is averaged over the steps since the last evaluation, with dropout.": (
        "학습 손실은 직전 평가 이후 스텝들의 평균이며, 드롭아웃을 켠 상태에서 계산합니다."
    ),
    "Expected calibration error: {}. Above the diagonal, the model is right more often than its "
    "probabilities say; below it, less often.": (
        "기대 보정 오차(ECE): {}. 점이 대각선 위에 있으면 모델이 예측 확률보다 자주 맞히고, 아래에 "
        "있으면 덜 맞힙니다."
    ),
    "Rows are true labels, columns are predicted labels. Blue cells are correct, orange cells are "
    "errors; a deeper colour is a larger fraction of the row.": (
        "행은 실제 레이블, 열은 예측 레이블입니다. 파란 칸은 정답, 주황 칸은 오답이며, 색이 "
        "진할수록 그 행에서 차지하는 비율이 큽니다."
    ),
    "The most frequent confusions among {} labels.": "레이블 {}개 중 가장 자주 혼동한 쌍입니다.",
    "All predictions are correct ({} labels).": "모든 예측이 정답입니다(레이블 {}개).",
    "Rows are output tokens, columns are input positions; a deeper colour is a larger attention "
    "weight.": "행은 출력 토큰, 열은 입력 위치이며, 색이 진할수록 어텐션 가중치가 큽니다.",
    "The first {} of {} maps.": "맵 {1}개 중 처음 {0}개입니다.",
    "{} of {} rows.": "{1}행 중 {0}행.",
    "{} of {} pictures.": "그림 {1}개 중 {0}개.",
    "{} (target: {})": "{} (정답: {})",
    "{} of {} labels.": "레이블 {1}개 중 {0}개.",
    "{} of {} charts.": "그래프 {1}개 중 {0}개.",
    "and {} more labels with {} rows": "그 밖의 레이블 {}개, {}행",
    "Only the beginning is shown.": "앞부분만 표시합니다.",
    "Written by Ostinato. This page works offline.": (
        "Ostinato가 작성했습니다. 이 페이지는 네트워크 없이 볼 수 있습니다."
    ),
    # tables
    "label": "레이블",
    "true label": "실제 레이블",
    "predicted label": "예측 레이블",
    "true labels": "실제 레이블",
    "predicted": "예측",
    "predicted labels": "예측 레이블",
    "true tag": "실제 태그",
    "probability": "확률",
    "precision": "정밀도",
    "recall": "재현율",
    "F1": "F1",
    "count": "개수",
    "fraction of the true label": "실제 레이블 중 비율",
    "input": "입력",
    "length": "길이",
    "word": "단어",
    "seen in training": "학습에 있던 단어",
    "sentence": "문장",
    "errors": "오류 수",
    "clip": "클립",
    "source": "원문",
    "target": "정답",
    "output": "출력",
    "temperature": "온도",
    "text": "텍스트",
    "Most confident errors": "확신이 가장 큰 오류",
    "Least confident correct predictions": "확신이 가장 작은 정답",
    "Errors on words not seen in training": "학습에 없던 단어의 오류",
    "Longest": "가장 긴 입력",
    "Models compared on held-out rows": "검증용 행에서 비교한 모델",
    "network": "신경망",
    "random kernels": "무작위 커널",
    "nearest neighbour": "최근접 이웃",
    "model": "모델",
    "weight": "가중치",
    "Rarest label: {}": "가장 드문 레이블: {}",
    "Rarest tag: {}": "가장 드문 태그: {}",
    "Lowest accuracy": "정확도가 가장 낮은 클립",
    "Highest accuracy": "정확도가 가장 높은 클립",
    "Lowest chrF": "chrF가 가장 낮은 문장",
    "Exact matches": "완전히 일치한 문장",
    "Generated text": "생성한 텍스트",
    # data and options
    "rows for training": "학습 행 수",
    "rows for evaluation": "평가 행 수",
    "pairs for training": "학습 문장 쌍 수",
    "pairs for evaluation": "평가 문장 쌍 수",
    "clips for training": "학습 클립 수",
    "clips for evaluation": "평가 클립 수",
    "characters for training": "학습 글자 수",
    "characters for evaluation": "평가 글자 수",
    "pictures for training": "학습 그림 수",
    "pictures for evaluation": "평가 그림 수",
    "seconds": "초",
    "parameters": "파라미터 수",
    "option": "옵션",
    "value": "값",
    "chosen by": "정한 쪽",
    "the user": "사용자",
    "the data": "데이터",
    "{} options at their defaults": "기본값인 옵션 {}개",
    # how the data was read
    "data": "데이터",
    "time": "시간",
    "numbers": "숫자",
    "series": "시계열",
    "left out": "제외",
    "note": "참고",
    "tags": "태그",
    "labels": "레이블",
    "sentences": "문장",
    "sequence": "시퀀스",
    "known": "미리 아는 열",
    "the first line names the columns (if not: --no-header)": (
        "첫 줄은 열 이름(아니라면 --no-header)"
    ),
    "no header, columns are numbered from 0 (if not: --header)": (
        "헤더 없음, 열 번호는 0부터(헤더가 있다면 --header)"
    ),
    "{} rows": "{}행",
    "{} sentences": "문장 {}개",
    "{} clips": "클립 {}개",
    "{} pictures": "그림 {}개",
    "{} pairs": "문장 쌍 {}개",
    "{} sequences": "시퀀스 {}개",
    "{} characters": "{}글자",
    "{} steps": "{}스텝",
    "{} series": "시계열 {}개",
    "{} columns": "열 {}개",
    "{} steps of {}": "{}스텝 × {}",
    "a step in each row": "행마다 한 스텝",
    "1 label: {}": "레이블 1개: {}",
    "{} labels: {} and {} more": "레이블 {}개: {} 외 {}개",
    "{} labels: {}": "레이블 {}개: {}",
    "1 tag: {}": "태그 1개: {}",
    "{} tags: {} and {} more": "태그 {}개: {} 외 {}개",
    "{} tags: {}": "태그 {}개: {}",
    "{} to {}, step 1 month": "{} ~ {}, 간격 한 달",
    "{} to {}, step 1 day": "{} ~ {}, 간격 하루",
    "{} to {}, step 1 business day": "{} ~ {}, 간격 영업일 하루",
    "{} to {}, step 1 week": "{} ~ {}, 간격 한 주",
    "{} to {}, step 1 hour": "{} ~ {}, 간격 한 시간",
    "{} to {}, step 1 year": "{} ~ {}, 간격 1년",
    "{} to {}, step 1 quarter": "{} ~ {}, 간격 한 분기",
    "{} to {}, step 1 minute": "{} ~ {}, 간격 1분",
    "{} to {}, step 1 second": "{} ~ {}, 간격 1초",
    "{} to {}, step {} minutes": "{} ~ {}, 간격 {}분",
    "{} to {}, step {} seconds": "{} ~ {}, 간격 {}초",
    "{} to {}, step {} months": "{} ~ {}, 간격 {}개월",
    "{} to {}, step {} hours": "{} ~ {}, 간격 {}시간",
    "{} to {}, step {} days": "{} ~ {}, 간격 {}일",
    "not used": "사용하지 않음",
    "has no values": "값이 없음",
    "has one value, {}": "값이 {} 하나뿐임",
    "names the rows": "행의 이름",
    "numbers the rows": "행의 번호",
    "columns are separated by commas": "열 구분자는 쉼표",
    "columns are separated by semicolons": "열 구분자는 세미콜론",
    "columns are separated by tabs": "열 구분자는 탭",
    "columns are separated by vertical bars": "열 구분자는 세로줄(|)",
    "columns are separated by spaces": "열 구분자는 공백",
    "read as {}, not UTF-8": "UTF-8이 아닌 {}(으)로 읽음",
    "the newest row is first: the rows are reversed": "최신 행이 맨 앞이어서 순서를 뒤집음",
    "the rows are sorted by time": "행을 시간순으로 정렬함",
    "{} rows without a caption are left out": "캡션이 없는 {}행을 제외함",
    "{} pictures without a caption are left out": "캡션이 없는 그림 {}개를 제외함",
    "{} rows at the end without values are left out": "끝의 값이 없는 {}행을 제외함",
    "rows with several labels: {}, without labels: {}": "레이블이 여럿인 행 {}개, 없는 행 {}개",
    "picture": "그림",
    "name": "이름",
    "up to {} steps of {}": "최대 {}스텝 × {}",
    "{} row ends early, where numbers are missing": "숫자가 빠진 {}행이 일찍 끝남",
    "{} rows end early, where numbers are missing": "숫자가 빠진 {}행이 일찍 끝남",
    "numbers {}, not scaled": "숫자 {}, 값을 그대로 사용",
    "numbers {}, divided by 255": "숫자 {}, 255로 나눔",
    "{}, not scaled": "{}, 값을 그대로 사용",
    "{}, divided by 255": "{}, 255로 나눔",
    "read as CP949 (Korean), not UTF-8": "UTF-8이 아닌 CP949(한국어)로 읽음",
    "a byte order mark inside the file was removed (first in line {})": (
        "파일 안의 바이트 순서 표시(BOM)를 제거함(처음 나온 곳은 {}번째 줄)"
    ),
    "__label__ starts the label of each line (fastText format)": (
        "줄마다 레이블이 __label__로 시작함(fastText 형식)"
    ),
    "lines with {} are left out": "{} 줄을 제외함",
    "another text (to read it instead: --text {})": "다른 텍스트(이 열을 읽으려면 --text {})",
    "another column of dates": "다른 날짜 열",
    "text, such as {}": "{} 같은 텍스트",
    "{} missing dates are filled ({}), the first {}": "빠진 날짜 {}개를 채움({}), 첫 번째는 {}",
    "{} missing values are filled ({}), the first {}": "빠진 값 {}개를 채움({}), 첫 번째는 {}",
    "{} is read as {}, because the dates then have a regular step": (
        "{}을(를) {}(으)로 읽음(그래야 날짜 간격이 일정함)"
    ),
    "each row is a series with {} steps, {} to {}": "행마다 {}스텝의 시계열 하나({} ~ {})",
    "the dates have no regular step: steps are called +1, +2, ...": (
        "날짜 간격이 일정하지 않아 스텝을 +1, +2, ...로 표시함"
    ),
    "{} to {}, not dates: steps are called +1, +2, ...": (
        "{} ~ {}, 날짜가 아니어서 스텝을 +1, +2, ...로 표시함"
    ),
    "decimal commas": "소수점은 쉼표",
    "thousands separators": "천 단위 구분 기호 있음",
    "percent": "퍼센트",
    "currency {}": "통화 {}",
    "K, M and B for thousands, millions and billions": "K, M, B는 천, 백만, 십억",
    "{} to {}, Unix {}, step {}": "{} ~ {}, 유닉스 시간({}), 간격 {}",
    "linear model of n-grams": "n-그램 선형 모델",
    # commands
    "predict, one line per input line": "예측(입력 한 줄에 출력 한 줄)",
    "continue the series": "시계열 이어서 예측",
    "generate text": "텍스트 생성",
    "evaluate on other data": "다른 데이터로 평가",
    "repeat the run": "실행 반복",
    # tasks
    "rows in memory": "메모리의 행",
    "classify": "분류",
    "tag": "태깅",
    "translate": "번역",
    "transcribe": "받아쓰기",
    "generate": "생성",
    "caption": "캡션",
    "Many to one: predict a label for a text or a sequence of numbers.": (
        "다대일: 텍스트나 수열의 레이블을 예측합니다."
    ),
    "Many to many, aligned: predict a tag for each word.": (
        "정렬된 다대다: 단어마다 태그를 예측합니다."
    ),
    "Many to many, aligned: predict a label for each frame of a clip.": (
        "정렬된 다대다: 클립의 프레임마다 레이블을 예측합니다."
    ),
    "Many to one, fed back: forecast a time series with prediction intervals.": (
        "되먹임 다대일: 시계열을 예측 구간과 함께 예측합니다."
    ),
    "Many to many, not aligned: translate a sentence into another.": (
        "정렬되지 않은 다대다: 문장을 다른 문장으로 번역합니다."
    ),
    "Many to many, not aligned: transcribe the frames of a clip into a sentence.": (
        "정렬되지 않은 다대다: 클립의 프레임을 문장으로 옮겨 적습니다."
    ),
    "Many to one, fed back: generate text in the style of a text file.": (
        "되먹임 다대일: 텍스트 파일의 문체로 텍스트를 생성합니다."
    ),
    "One to many: write a caption for a picture.": "일대다: 그림의 캡션을 작성합니다.",
}


def translator(language: str) -> Callable[..., str]:
    """A function that translates a text of a report, with the values for its "{}".

    A text whose values have been filled in, such as "always yes", is translated too.

    Example:
        >>> say = translator("ko")
        >>> say("{} of {} rows.", 3, 10), say("always yes"), say("my own heading")
        ('10행 중 3행.', '항상 yes(으)로 예측', 'my own heading')
    """

    def say(text: str, *values) -> str:
        korean = _korean(text) if language == "ko" else text
        return korean.format(*values) if values else korean

    return say


def _korean(text: str) -> str:
    if (found := _of_table(text)) is not None:
        return found
    # a list of texts, such as "decimal commas, percent"
    parts = [_of_table(part) for part in text.split(", ")]
    return text if None in parts else ", ".join(filter(None, parts))


def _of_table(text: str) -> str | None:
    """The Korean of a text, with or without values in it; None if the table has neither."""
    if text in KOREAN:
        return KOREAN[text]
    for form, korean in _filled_in():
        if found := form.fullmatch(text):
            return korean.format(*found.groups())
    return None


@cache
def _filled_in() -> list[tuple[re.Pattern, str]]:
    """A pattern for each text of the table that has values."""
    return [
        (re.compile(re.escape(english).replace(r"\{\}", "(.+)"), re.DOTALL), korean)
        # the longest first: "{} labels: {}" would also match longer texts
        for english, korean in sorted(KOREAN.items(), key=lambda pair: -len(pair[0]))
        if "{}" in english
    ]
