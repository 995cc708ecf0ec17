import torch
import torch.nn.functional as F

from pointvid.diffusion.point_probe import fit_point_probe


def test_recovers_a_linear_encoder():
    generator = torch.Generator().manual_seed(1)
    mix = torch.randn(4, 3, generator=generator)
    offset = torch.randn(4, generator=generator)

    def encode(frames):
        return torch.einsum("ck,nkthw->ncthw", mix, F.avg_pool3d(frames, (1, 8, 8))) + offset[:, None, None, None]

    probe = fit_point_probe(encode, clips=8, size=64)
    assert probe.error < 1e-5
    frames = torch.rand(2, 3, 5, 64, 64, generator=generator) * 2 - 1
    assert torch.allclose(probe(encode(frames)), F.avg_pool3d(frames, (1, 8, 8)), atol=1e-4)


def test_error_tells_when_an_encoder_is_not_linear():
    def encode(frames):
        return F.avg_pool3d(frames.sign(), (1, 8, 8)).repeat(1, 2, 1, 1, 1)[:, :4]

    probe = fit_point_probe(encode, clips=8, size=64)
    assert probe.error > 0.1
