"""Stage 1, point augmentation (paper section 3.2): `python -m training.augment CONFIG.yaml [key=value ...]`.

The video and its points are encoded to z = [video | points] and noised to z_t; the joint denoiser learns to predict
what its noise law says (v for I2VGen-XL), as any latent diffusion model does. The condition image is the first RGB
frame, repeated for the point half inside the denoiser, so no initial points are needed when generating.
"""

from .cli import run
from .config import Augment


def main() -> None:
    """Command line; the stage is imported once the config is right, which takes seconds less to say what is wrong."""
    run(Augment, "augment:AugmentStage", __doc__)


if __name__ == "__main__":
    main()
