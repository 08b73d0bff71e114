"""Every module of the package: what owns parameters or buffers starts them again, after
torch.device("meta") and to_empty too.
"""

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from torch import nn

import ostinato
from ostinato.exchange import layer_stack
from ostinato.exchange.reversed_layer import ReversedLayer
from ostinato.nn.attention import Bahdanau, Luong
from ostinato.nn.conv_lstm import ConvLSTM
from ostinato.nn.crf import LinearChainCRF
from ostinato.nn.embedding import embeddings
from ostinato.tasks import (
    classify,
    forecast_model,
    frames,
    generate,
    linear_model,
    metadata,
    ngrams,
    pretraining,
    random_kernels,
    spelling,
    tag,
)
from ostinato.tasks.seq2seq import (
    EncoderDecoder,
    FramesEncoder,
    PictureEncoder,
    TextEncoder,
)


def reader():
    return classify.ClassifyModel(9, 3, classify.ClassifyOptions(hidden=6, embedding=5), text=True)


MODULES = {
    "RNN": lambda: ostinato.RNN(3, 6),
    "LSTM": lambda: ostinato.LSTM(3, 6, 2, bidirectional=True, proj_size=2),
    "GRU": lambda: ostinato.GRU(3, 6, zoneout=0.1),
    "Recurrent": lambda: ostinato.Recurrent("lstm_peephole", 3, 6, learned_state=True),
    "ReversedLayer": lambda: ReversedLayer(ostinato.GRU(3, 6)),
    "ConvLSTM": lambda: ConvLSTM(2, 3, 3, peepholes=True),
    "Luong": lambda: Luong(3, 4),
    "Bahdanau": lambda: Bahdanau(3, 4, 5),
    "Embedding": lambda: embeddings((7, 5), std=0.1, padding_idx=0)[0],
    "TextEncoder": lambda: TextEncoder(9, embedding=5, hidden=6),
    "FramesEncoder": lambda: FramesEncoder(4, embedding=5, hidden=6),
    "PictureEncoder": lambda: PictureEncoder(units=8),
    "EncoderDecoder": lambda: EncoderDecoder(
        TextEncoder(9, embedding=5, hidden=6), 7, embedding=5, hidden=6
    ),
    "LinearChainCRF": lambda: LinearChainCRF(4),
    "ClassifyModel": reader,
    "ClassifyEnsemble": lambda: classify.ClassifyEnsemble([reader(), reader()]),
    "LinearModel": linear_model.LinearModel,
    "NGrams": lambda: ngrams.NGrams(3, 64),
    "RandomKernels": lambda: random_kernels.RandomKernels(2, 3, metadata.KernelSizes([1, 2], 4)),
    "PretrainingModel": lambda: pretraining.PretrainingModel(reader(), np.arange(9) + 1),
    "FrameModel": lambda: frames.FrameModel(4, 3, frames.FrameOptions(hidden=6)),
    "SpelledWords": lambda: spelling.SpelledWords(9, 8, classify.ClassifyOptions(embedding=5)),
    "TagModel": lambda: tag.TagModel(9, 8, 4, tag.TagOptions(hidden=6, embedding=5)),
    "ForecastNetwork": lambda: forecast_model.ForecastNetwork(
        4, 2, 3, forecast_model.ForecastOptions(hidden=6)
    ),
    "ForecastModel": lambda: forecast_model.ForecastModel(
        4, 2, 3, series=2, lags=5, horizon=4, options=forecast_model.ForecastOptions(hidden=6)
    ),
    "EmbeddingPart": lambda: layer_stack.EmbeddingPart(layer_stack.EmbeddingSpec(7, 4)),
    "RecurrentPart": lambda: layer_stack.RecurrentPart(layer_stack.RecurrentSpec("gru", 3, 4)),
    "MaskingPart": lambda: layer_stack.MaskingPart(layer_stack.MaskingSpec()),
    "ActivationPart": lambda: layer_stack.ActivationPart(layer_stack.ActivationSpec("tanh")),
    "DensePart": lambda: layer_stack.DensePart(layer_stack.DenseSpec(3, 4)),
    "LayerStack": lambda: layer_stack.LayerStack({"dense": layer_stack.DenseSpec(3, 4)}),
    "LanguageModel": lambda: generate.LanguageModel(
        9, generate.GenerateOptions(hidden=6, embedding=5)
    ),
}


def test_every_module_is_tested():
    found = set()
    for info in pkgutil.walk_packages(ostinato.__path__, "ostinato."):
        # tests/exchange/test_torch_tasks.py runs what is copied to torch files
        copied = "exchange.torch." in info.name and info.name.endswith("_code")
        if "__main__" not in info.name and not copied:
            module = importlib.import_module(info.name)
            found |= {
                c.__name__
                for c in vars(module).values()
                if isinstance(c, type)
                and issubclass(c, nn.Module)
                and c.__module__ == info.name
                and not c.__name__.startswith("_")
            }
    # A baseline copies its weights from a layer, and a training loop holds a model.
    assert found - {"TorchBaseline", "Training"} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_made_without_memory_starts_as_one_made_with_it(name):
    torch.manual_seed(1)
    usual = MODULES[name]()
    with torch.device("meta"):
        made = MODULES[name]()
    assert all(t.is_meta for t in [*made.parameters(), *made.buffers()])
    made.to_empty(device="cpu")
    with torch.no_grad():
        for t in [*made.parameters(), *made.buffers()]:
            t.fill_(torch.nan)
    for module in made.modules():
        owned = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        assert hasattr(module, "reset_parameters") or not owned, (
            f"{type(module).__name__} cannot start again"
        )
        if owned:
            module.reset_parameters()
    for (key, mine), (_, wanted) in zip(
        [*made.named_parameters(), *made.named_buffers()],
        [*usual.named_parameters(), *usual.named_buffers()],
    ):
        assert mine.isfinite().all(), key
        # Drawn from the same distribution: what is 0 or fixed there is here.
        assert torch.equal(mine == 0, wanted == 0), key
        if wanted.numel() > 1 and wanted.std():
            assert 1 / 3 < mine.std() / wanted.std() < 3 or mine.numel() < 30, key
        else:
            assert torch.equal(mine, wanted), key
