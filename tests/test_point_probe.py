import torch
import torch.nn.functional as F

from pointvid.diffusion.point_probe import fit_point_probe


def test_recovers_a_linear_encoder():
    generator = torch.Generator().manual_seed(1)
    mix = torch.randn(4, 3, generator=generator)
    offset = torch.randn(4, generator=generator)

    def encode(frames):
        return torch.einsum("ck,nkhw->nchw", mix, F.avg_pool2d(frames, 8)) + offset[:, None, None]

    probe = fit_point_probe(encode, frames=8, size=64)
    assert probe.error < 1e-5
    frames = torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1
    assert torch.allclose(probe(encode(frames)), F.avg_pool2d(frames, 8), atol=1e-4)


def test_error_tells_when_an_encoder_is_not_linear():
    probe = fit_point_probe(lambda frames: F.avg_pool2d(frames.sign(), 8).repeat(1, 2, 1, 1)[:, :4], frames=8, size=64)
    assert probe.error > 0.1
