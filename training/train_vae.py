"""`python -m training.train_vae CONFIG.yaml [key=value ...]`: a small AutoencoderKL for RGB frames and point frames.

The full-size models use Stable Diffusion's VAE as it is; only a model made from scratch needs this. It has the layout
of that VAE, so hosts load it, and it sees both halves of the joint latent: frames of video, and frames of points in
their range. There is no perceptual network: sharpness comes from an L1 loss on image gradients.
"""

from .cli import run
from .config import Vae


def main() -> None:
    """Command line; the stage is imported once the config is right, which takes seconds less to say what is wrong."""
    run(Vae, "vae:TrainVae", __doc__)


if __name__ == "__main__":
    main()
