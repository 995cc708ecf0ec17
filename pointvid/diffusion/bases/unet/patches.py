"""What other nodes of a ComfyUI graph hang into a run of the UNet: the patches in `transformer_options`.

They are made for Stable Diffusion's UNet, of which this one has the blocks: the patches see frames as a batch of
images, [B*T,C,h,w], and of the transformers those over space. Block numbers are Stable Diffusion's: 0 is the first
convolution, then every layer and every downsampling counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ....errors import PointVidError

if TYPE_CHECKING:
    from .attention import Attention, TransformerBlock

_LISTED = frozenset(
    {
        *("attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch", "middle_patch", "emb_patch"),
        *("input_block_patch", "input_block_patch_after_skip", "output_block_patch"),
    }
)
_REPLACED = frozenset({"attn1", "attn2"})


class Patches:
    """The patches of one run, and where in the UNet it is.

    Args:
        options: `transformer_options`: functions by name under "patches", functions by block under "patches_replace".
        shape: of the latent, [B,C,T,h,w].
        width: channels of the first level, which patches of the time embedding are told.
    Raises:
        PointVidError: a patch that this network has no place for.
    """

    def __init__(self, options: Mapping[str, Any], shape: tuple[int, ...], width: int):
        self._listed = {name: found for name, found in (options.get("patches") or {}).items() if found}
        self._replaced = {name: found for name, found in (options.get("patches_replace") or {}).items() if found}
        unknown = sorted((self._listed.keys() - _LISTED) | (self._replaced.keys() - _REPLACED))
        if unknown:
            raise PointVidError(
                f"model carries the patch {unknown[0]!r}, which a video UNet has no place for; take out the node that "
                "patches the model so"
            )
        batch, channels, frames, *size = shape
        self._width = width
        self._options = dict(options, original_shape=[batch * frames, channels, *size], transformer_index=0)

    @classmethod
    def of(cls, options: Mapping[str, Any] | None, shape: tuple[int, ...], width: int) -> Patches | None:
        """None where nothing hangs: the network then takes its own, shorter way."""
        if not options or not (options.get("patches") or options.get("patches_replace")):
            return None
        return cls(options, shape, width)

    def enter(self, part: str, number: int = 0) -> None:
        """The run is at block `number` of "input", "middle" or "output"."""
        self._options["block"] = (part, number)

    def embedding(self, emb: Tensor) -> Tensor:
        """The time embedding [B,E]."""
        for patch in self._listed.get("emb_patch", ()):
            emb = patch(emb, self._width, self._options)
        return emb

    def keep(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Append what an input block gave to `skips`; returns what goes on, [B*T,C,h,w]."""
        for patch in self._listed.get("input_block_patch", ()):
            x = patch(x, self._options)
        skips.append(x)
        for patch in self._listed.get("input_block_patch_after_skip", ()):
            x = patch(x, self._options)
        self.enter("input", self._options["block"][1] + 1)
        return x

    def join(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """What is about to be joined at an output block."""
        part, number = self._options["block"]
        self.enter("output", number + 1 if part == "output" else 0)
        for patch in self._listed.get("output_block_patch", ()):
            x, skip = patch(x, skip, self._options)
        return x, skip

    def transformer(self, block: TransformerBlock, x: Tensor, context: Tensor) -> Tensor:
        """`block(x, context)` with what hangs in it; each frame gets its video's context, as patches expect it."""
        extra = {key: value for key, value in self._options.items() if key not in ("patches", "patches_replace")}
        heads = block.attn1.heads
        extra |= {"n_heads": heads, "dim_head": block.attn1.to_q.out_features // heads, "attn_precision": None}
        extra["block_index"] = 0
        x = self._attend("attn1", block.attn1, block.norm1(x), None, extra) + x
        for patch in self._listed.get("middle_patch", ()):
            x = patch(x, extra)
        context = context.repeat_interleave(len(x) // len(context), 0)
        x = self._attend("attn2", block.attn2, block.norm2(x), context, extra) + x
        self._options["transformer_index"] += 1
        return block.ff(block.norm3(x)) + x

    def _attend(
        self, kind: str, attention: Attention, x: Tensor, context: Tensor | None, extra: dict[str, Any]
    ) -> Tensor:
        key = value = x if context is None else context
        for patch in self._listed.get(f"{kind}_patch", ()):
            x, key, value = patch(x, key, value, extra)
        q, k, v = attention.to_q(x), attention.to_k(key), attention.to_v(value)
        replaced = self._replaced.get(kind, {})
        place = self._options["block"]
        patch = replaced.get((*place, 0)) or replaced.get(place)
        out = attention.attention(q, k, v, attention.heads) if patch is None else patch(q, k, v, extra)
        out = attention.to_out[0](out)
        for patch in self._listed.get(f"{kind}_output_patch", ()):
            out = patch(out, extra)
        return out
