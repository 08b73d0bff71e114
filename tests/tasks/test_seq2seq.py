"""Encoders and decoder: losses held against plain ones, engines against each other, decoding
against training, toys to learn.
"""

import pytest
import torch
from torch.nn import functional as F

from ostinato.data.vocabulary import END, START
from ostinato.errors import InputError, SizeError
from ostinato.nn.torch_baseline import torch_baseline
from ostinato.tasks import seq2seq
from ostinato.tasks.seq2seq import (
    EncoderDecoder,
    FramesEncoder,
    LinearCrossEntropy,
    PictureEncoder,
    TextEncoder,
)

LENGTHS, TARGETS = torch.tensor([5, 2, 0, 4]), torch.tensor([3, 6, 1, 0])


def make(**others):
    """A small translator in float64, and a batch with an empty source and an empty target."""
    torch.manual_seed(1)
    of_both = {
        name: value for name, value in others.items() if name in ("cell", "layers", "engine")
    }
    encoder = TextEncoder(15, embedding=6, hidden=5, **of_both)
    model = EncoderDecoder(encoder, 12, **({"embedding": 7, "hidden": 8} | others)).double()
    random = torch.Generator().manual_seed(2)
    x, y = (
        torch.randint(4, 15, (4, 5), generator=random),
        torch.randint(4, 12, (4, 6), generator=random),
    )
    return model, (
        x * (torch.arange(5) < LENGTHS[:, None]),
        LENGTHS,
        y * (torch.arange(6) < TARGETS[:, None]),
        TARGETS,
    )


def learn(model, batch, steps, rate=0.02):
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), rate)
    for _ in range(steps):
        optimiser.zero_grad()
        nats, count = model.loss(batch)
        (nats / count).backward()
        optimiser.step()
    return model.eval(), (nats / count).item()


@pytest.fixture(autouse=True)
def _one_thread():
    """A model this small gains nothing from a second thread, and waits for it long where another
    program has its core.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------- the loss


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_each_row_alone_one_token_after_another(attention, smoothing, close):
    model, batch = make(attention=attention, label_smoothing=smoothing)
    nats, count = model.loss(batch)
    wanted = torch.zeros((), dtype=torch.float64)
    for x, n, y, m in zip(*batch):
        memory, _, summary = model.encoder(x[None, : max(n, 1)], n[None])
        states, keys, mask = (
            model._start(summary),
            model.attention.keys(memory),
            torch.arange(max(n, 1))[None] < n,
        )
        for before, following in zip([START, *y[:m].tolist()], [*y[:m].tolist(), END]):
            output, states = model.recurrent(model.embedding(torch.tensor([[before]])), states)
            context, _ = model.attention(output[:, 0], keys, memory, mask)
            features = torch.tanh(model.combine(torch.cat([context, output[:, 0]], 1)))
            logits = features @ model.embedding.weight.t() + model.bias
            wanted += F.cross_entropy(logits, torch.tensor([following]), label_smoothing=smoothing)
    assert count == int((TARGETS + 1).sum())
    close(nats, wanted)


def test_what_stands_past_a_rows_end_changes_nothing(close):
    model, (x, n, y, m) = make()
    nats, _ = model.loss((x, n, y, m))
    other = x.where(torch.arange(5) < n[:, None], 9), n, y.where(torch.arange(6) < m[:, None], 9), m
    close(model.loss(other)[0], nats)


def test_in_evaluation_the_loss_is_not_smoothed(close):
    model, batch = make(label_smoothing=0.3)
    plain, _ = make()
    assert model.loss(batch)[0] != plain.loss(batch)[0]
    close(model.eval().loss(batch)[0], plain.loss(batch)[0])


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_torchs_layers_give_the_same_loss_and_gradients(cell, close):
    found = []
    for engine in (None, "reference", "torch"):
        model, batch = make(cell=cell, engine=engine, layers=2)
        if engine == "torch":
            # what its layers draw at their start moved what all else drew: take our model with
            # the baselines of its layers
            first = make(cell=cell, layers=2)[0]
            missing = model.load_state_dict(first.state_dict(), strict=False).missing_keys
            assert all(".layer." in name for name in missing)
            model.recurrent, model.encoder.recurrent = (
                torch_baseline(first.recurrent),
                torch_baseline(first.encoder.recurrent),
            )
        nats, _ = model.loss(batch)
        nats.backward()
        learned = (
            model.embedding.weight,
            model.encoder.embedding.weight,
            model.bridge.weight,
            model.bias,
        )
        found.append([nats, *(p.grad for p in learned)])
    for others in found[1:]:
        for actual, wanted in zip(others, found[0]):
            close(actual, wanted)


@pytest.mark.parametrize("cell", ["lstm_projected", "min_gru", "lstm_peephole"])
def test_any_cell_can_be_taken(cell):
    model, batch = make(cell=cell)
    nats, _ = model.loss(batch)
    nats.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.eval().decode(*batch[:2], length=4)[0]


def test_every_parameter_learns():
    model, batch = make(layers=2)
    model.loss(batch)[0].backward()
    assert [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()
    ] == []


@pytest.mark.parametrize("chunk", [1, 20, 10**6])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_readouts_nats_are_torchs_cross_entropy(smoothing, chunk, close, monkeypatch):
    monkeypatch.setattr(seq2seq, "LOGITS", chunk)
    x, weight, bias = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((5, 3), (7, 3), (7,))
    )
    labels, found = torch.tensor([0, 6, 3, 3, 1]), []
    for nats in (
        LinearCrossEntropy.apply(x, weight, bias, labels, smoothing),
        F.cross_entropy(
            F.linear(x, weight, bias), labels, reduction="sum", label_smoothing=smoothing
        ),
    ):
        found.append([nats, *torch.autograd.grad(3 * nats, (x, weight, bias))])
    for actual, wanted in zip(*found):
        close(actual, wanted)


def test_a_token_held_to_be_impossible_costs_a_finite_number_of_nats():
    x = torch.tensor([[1000.0]], requires_grad=True)
    nats = LinearCrossEntropy.apply(
        x, torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([1]), 0.0
    )
    nats.backward()
    assert nats.item() == 2000 and x.grad.item() == 2


# ---------------------------------------------------------------- decoding


def test_a_decoded_targets_score_is_the_loss_that_training_gives_it():
    model, (x, n, y, m) = make()
    model, _ = learn(model, (x, n, y, m), 60)
    for row, found in enumerate(model.decode(x, n, beams=3, best=3, length=9, length_norm=0.0)):
        assert found[0].ended
        for hypothesis in [h for h in found if h.ended]:
            y = torch.tensor([hypothesis.tokens or [0]])
            nats, _ = model.loss(
                (x[row : row + 1], n[row : row + 1], y, torch.tensor([len(hypothesis.tokens)]))
            )
            assert hypothesis.score == pytest.approx(-nats.item())


def test_one_beam_is_the_plain_loop():
    model, (x, n, _, _) = make()
    model.eval()
    memory, mask, summary = model.encoder(x, n)
    keys, states, last, written = (
        model.attention.keys(memory),
        model._start(summary),
        torch.full((4,), START),
        [],
    )
    for _ in range(8):
        output, states = model.recurrent(model.embedding(last)[:, None], states)
        context, _ = model.attention(output[:, 0], keys, memory, mask)
        features = torch.tanh(model.combine(torch.cat([context, output[:, 0]], 1)))
        last = (features @ model.embedding.weight.t() + model.bias).argmax(1)
        written.append(last)
    rows = [
        row[: row.index(END)] if END in row else row for row in torch.stack(written, 1).tolist()
    ]
    assert [found[0].tokens for found in model.decode(x, n, beams=1, length=8)] == rows


def test_a_row_is_decoded_the_same_next_to_others_and_alone():
    model, (x, n, _, _) = make()
    model.eval()
    for row, found in enumerate(model.decode(x, n, beams=4, best=2, length=7)):
        alone = model.decode(x[row : row + 1], n[row : row + 1], beams=4, best=2, length=7)[0]
        assert [h.tokens for h in found] == [h.tokens for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone])


def test_attention_maps_are_of_the_tokens_and_of_the_places_there_are():
    model, (x, n, _, _) = make()
    for length, (best,) in zip(n.tolist(), model.eval().decode(x, n, beams=2, length=6)):
        assert best.attention.shape == (len(best.tokens), 5)
        assert (best.attention[:, length:] == 0).all()
        assert best.attention.sum(1).tolist() == pytest.approx(
            [1.0 if length else 0.0] * len(best.tokens)
        )


# ---------------------------------------------------------------- what it learns


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
def test_it_learns_to_turn_a_sequence_round(attention):
    lengths = torch.randint(1, 6, (64,))
    x = torch.randint(4, 10, (64, 5)) * (torch.arange(5) < lengths[:, None])
    y = torch.stack([F.pad(row[:n].flip(0), (0, 5 - int(n))) for row, n in zip(x, lengths)])
    model = EncoderDecoder(
        TextEncoder(10, embedding=16, hidden=16), 10, embedding=16, hidden=32, attention=attention
    )
    model, loss = learn(model, (x, lengths, y, lengths), 120)
    found = model.decode(x, lengths, beams=2, length=8)
    right = sum(h.tokens == row[:n].tolist() for (h,), row, n in zip(found, y, lengths))
    assert loss < 0.1 and right >= 62


def test_it_learns_what_is_in_a_picture():
    random = torch.Generator().manual_seed(3)
    colours, corners = (
        torch.randint(0, 3, (48,), generator=random),
        torch.randint(0, 4, (48,), generator=random),
    )
    pictures = torch.full((48, 32, 32, 3), 255, dtype=torch.uint8)
    for k, (colour, corner) in enumerate(zip(colours.tolist(), corners.tolist())):
        down, right = 16 * (corner // 2), 16 * (corner % 2)
        pictures[k, down + 4 : down + 12, right + 4 : right + 12] = (
            200 * torch.eye(3, dtype=torch.uint8)[colour]
        )
    y, lengths = torch.stack([4 + colours, 7 + corners], 1), torch.full((48,), 2)
    model = EncoderDecoder(PictureEncoder(units=64), 11, embedding=64, hidden=64, cell="gru")
    model, _ = learn(model, (pictures, y, lengths), 100, rate=0.005)
    assert (
        sum(h.tokens == row for (h,), row in zip(model.decode(pictures, length=5), y.tolist()))
        >= 46
    )


def test_frames_are_read_as_numbers():
    model = EncoderDecoder(FramesEncoder(3, embedding=5, hidden=6), 9, embedding=7, hidden=8)
    x, lengths = torch.randn(2, 10, 3), torch.tensor([10, 4])
    model, loss = learn(
        model, (x, lengths, torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])), 80
    )
    assert loss < 0.2 and [h.tokens for (h,) in model.decode(x, lengths)] == [[4, 5, 6], [7, 8]]


# ---------------------------------------------------------------- scheduled sampling


def test_with_sampling_the_models_own_guesses_are_read(monkeypatch):
    model, batch = make(scheduled_sampling=0.999999)
    read = []
    weight = model.embedding.weight
    monkeypatch.setattr(
        model.embedding,
        "forward",
        lambda numbers: read.append(numbers.clone()) or F.embedding(numbers, weight),
    )
    model.loss(batch)[0].backward()
    first, second = read
    memory, mask, summary = model.encoder(*batch[:2])
    output, _ = model.recurrent(F.embedding(first, model.embedding.weight), model._start(summary))
    context, _ = model.attention(output, model.attention.keys(memory), memory, mask)
    guesses = F.linear(model._combined(output, context), model.embedding.weight, model.bias).argmax(
        2
    )
    for row, m in enumerate(TARGETS.tolist()):
        assert first[row, : m + 1].tolist() == [START, *batch[2][row, :m].tolist()]
        assert second[row, : m + 1].tolist() == [START, *guesses[row, :m].tolist()]


def test_sampling_is_for_training_alone(close):
    model, batch = make(scheduled_sampling=0.9)
    close(model.eval().loss(batch)[0], make()[0].loss(batch)[0])
    assert model.train().loss(batch)[0] != make()[0].loss(batch)[0]


# ---------------------------------------------------------------- what is refused


def test_arguments_that_cannot_be_used_are_refused():
    with pytest.raises(InputError, match="attention='dot': write one of luong, bahdanau"):
        make(attention="dot")
    for name in ("scheduled_sampling", "label_smoothing"):
        with pytest.raises(InputError, match=f"{name}=1: write a rate from 0 to below 1"):
            make(**{name: 1})
    with pytest.raises(InputError, match="torch.nn has elman, lstm, gru"):
        make(cell="min_gru", engine="torch")
    with pytest.raises(
        SizeError,
        match=r"the pictures have shape \(2, 3, 32, 32\); it should be \(batch, 32, 32, 3\)",
    ):
        PictureEncoder(units=8)(torch.zeros(2, 3, 32, 32))


def test_a_picture_gives_the_same_as_bytes_and_as_numbers(close):
    encoder = PictureEncoder(units=8).eval()
    pictures = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    memory, mask, summary = encoder(pictures)
    assert memory.shape == (2, 64, 8) and mask is None and summary.shape == (2, 32)
    close(encoder(pictures.float() / 255)[0], memory)
