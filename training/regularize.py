"""Stage 2, point regularization (paper section 3.3): `python -m training.regularize CONFIG.yaml [key=value ...]`.

    L = l_ddim L_ddim + l_recon L_recon + l_rigid L_rigid          (equation 3)

L_ddim is stage 1's loss. For the other two, clean latents z are noised to z_t and denoised to z_0 by sampling, with
gradient in one step only; the point half of z_0 is decoded by the frozen decoder to P~, in (x, y, z); L_recon (equation
1) compares it with the true P and keeps it smooth in time, L_rigid (equation 2) keeps distances between neighbours.

The paper's P is 0 off the foreground and equation 1 sums over all of it. Our background is a constant of the channels
and no place in space, so that part of the sum is a term of its own, `background`. Without it the geometric losses pull
at the foreground alone, which then grows beyond its outline.
"""

from .cli import run
from .config import Regularize


def main() -> None:
    """Command line; the stage is imported once the config is right, which takes seconds less to say what is wrong."""
    run(Regularize, "regularize:RegularizeStage", __doc__)


if __name__ == "__main__":
    main()
