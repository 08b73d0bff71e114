"""A layer from the end of each row to its start is the reverse direction of a bidirectional one."""

import pytest
import torch

import ostinato
from ostinato.errors import InputError
from ostinato.exchange.reversed_layer import ReversedLayer


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [None, [6, 0, 3, 1]], ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_it_is_the_reverse_direction_of_a_layer(name, lengths, batch_first, close):
    torch.manual_seed(0)
    both = ostinato.Recurrent(name, 3, 5, bidirectional=True, batch_first=batch_first)
    one = ostinato.Recurrent(name, 3, 5, batch_first=batch_first)
    with torch.no_grad():
        for weight, parameter in one.named_parameters():
            parameter.copy_(getattr(both, f"{weight}_reverse"))
    x = torch.randn(4, 6, 3) if batch_first else torch.randn(6, 4, 3)
    x.requires_grad_()
    state = tuple(torch.randn(2, 4, 5) for _ in both.cell.graph.states)
    wanted, ends = both(x, state, lengths)
    found, own_ends = ReversedLayer(one)(x, tuple(s[1:] for s in state), lengths)
    close(found, wanted[..., 5:])
    for mine, right in zip(own_ends, ends):
        close(mine, right[1:])
    gradients = [torch.autograd.grad(y.sin().sum(), x)[0] for y in (found, wanted[..., 5:])]
    close(*gradients)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="give it a layer with bidirectional=False"):
        ReversedLayer(ostinato.GRU(3, 5, bidirectional=True))
    with pytest.raises(InputError, match=r"was given Tensor of shape \(6, 3\)"):
        ReversedLayer(ostinato.GRU(3, 5))(torch.zeros(6, 3))
