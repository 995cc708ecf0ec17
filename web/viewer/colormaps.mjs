// Colour-blind-safe colours. Maps are given by evenly spaced anchors and interpolated linearly to 256 entries.

const ANCHORS = {
  viridis: ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"],
  cividis: ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"],
  grey: ["2a2a2a", "f5f5f5"],
};

export const COLORMAPS = Object.keys(ANCHORS);

/** Okabe and Ito's palette, in an order whose first entries differ most on a dark ground. */
export const PALETTE = ["e69f00", "56b4e9", "009e73", "f0e442", "cc79a7", "0072b2", "d55e00", "bbbbbb"].map(rgb);

/** 256 RGBA texels. */
export function colormap(name) {
  const anchors = ANCHORS[name].map(rgb);
  const texels = new Uint8Array(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (anchors.length - 1);
    const k = Math.min(Math.floor(at), anchors.length - 2);
    for (let c = 0; c < 3; c++) texels[i * 4 + c] = Math.round(anchors[k][c] + (anchors[k + 1][c] - anchors[k][c]) * (at - k));
    texels[i * 4 + 3] = 255;
  }
  return texels;
}

/** The same map as a CSS gradient, for the legend. */
export function gradient(name) {
  return `linear-gradient(to right, ${ANCHORS[name].map((hex) => `#${hex}`).join(", ")})`;
}

function rgb(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
