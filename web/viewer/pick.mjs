// Which point lies under the pointer.

import { STEPS, VALID, VISIBLE } from "./format.mjs";

const REACH = 12; // CSS pixels

/**
 * The nearest drawable point within reach of (x, y), both in CSS pixels of a view width x height, or -1.
 * Among points at about the same distance the one closest to the eye wins.
 */
export function pickPoint(set, frame, matrix, x, y, width, height, showHidden = true) {
  const { samples, points, low, span, camera } = set;
  const mask = showHidden ? VALID : VALID | VISIBLE;
  const [fx, fy, cx, cy] = camera;
  let best = -1;
  let bestScore = Infinity;
  for (let i = 0, at = frame * points * 4; i < points; i++, at += 4) {
    if ((samples[at + 3] & mask) !== mask) continue;
    const d = Math.exp(low[2] + (span[2] * samples[at + 2]) / STEPS);
    const px = ((low[0] + (span[0] * samples[at]) / STEPS - cx) / fx) * d;
    const py = -((low[1] + (span[1] * samples[at + 1]) / STEPS - cy) / fy) * d;
    const w = matrix[3] * px + matrix[7] * py - matrix[11] * d + matrix[15];
    if (w <= 0) continue;
    const sx = ((matrix[0] * px + matrix[4] * py - matrix[8] * d + matrix[12]) / w + 1) * 0.5 * width;
    const sy = (1 - (matrix[1] * px + matrix[5] * py - matrix[9] * d + matrix[13]) / w) * 0.5 * height;
    const distance = Math.hypot(sx - x, sy - y);
    if (distance > REACH) continue;
    const score = w * (1 + distance / REACH);
    if (score < bestScore) [best, bestScore] = [i, score];
  }
  return best;
}

/** The drawable point nearest to pixel (u, v) of the clip's frame, within `reach` pixels, or -1. */
export function pickPixel(set, frame, u, v, reach) {
  let best = -1;
  let bestDistance = reach;
  for (let i = 0; i < set.points; i++) {
    const uvd = set.uvd(frame, i);
    if (!uvd) continue;
    const distance = Math.hypot(uvd[0] - u, uvd[1] - v);
    if (distance < bestDistance) [best, bestDistance] = [i, distance];
  }
  return best;
}
