// Numbers on the cloud: the colour scale's legend and the picked point's values.

import { gradient, PALETTE } from "./colormaps.mjs";
import { h } from "./dom.mjs";
import { icon } from "./icons.mjs";
import { modeLabel } from "./panel.mjs";

const css = (rgb) => `rgb(${rgb.join(" ")})`;

/** Four significant digits, no exponent where one is not needed. */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(size >= 100 ? 4 : 3)));
}

/** Fill the legend for a colour mode; `range` is [low, high] or null. */
export function showLegend(element, text, clip, mode, colormap, range) {
  const unit = clip.sets.every((set) => set.metric) ? "m" : "";
  const keys = (pairs) =>
    h("div", { class: "keys" }, ...pairs.map(([label, color]) => h("span", { style: `--key: ${css(color)}` }, label)));
  if (range) {
    const suffix = mode === "speed" ? (unit ? " m/s" : "/s") : unit && ` ${unit}`;
    const ends = [h("span", {}, short(range[0])), h("span", {}, short(range[1]) + suffix)];
    const scale = h("div", { class: "scale", style: `background: ${gradient(colormap)}` });
    element.replaceChildren(h("div", { class: "title" }, modeLabel(text, mode)), scale, h("div", { class: "ends" }, ...ends));
  } else if (mode === "visibility") {
    element.replaceChildren(keys([[text("visible"), PALETTE[1]], [text("notVisible"), PALETTE[6]]]));
  } else if (mode === "set") {
    element.replaceChildren(keys(clip.sets.map((set, index) => [set.name, PALETTE[index ? 0 : 1]])));
  } else {
    element.replaceChildren();
  }
}

/** Fill the box of the picked point at one frame; picked null hides it. */
export function showPicked(element, text, clip, picked, frame, onClose) {
  element.hidden = !picked;
  if (!picked) return;
  const set = clip.sets[picked.set];
  const { point } = picked;
  const unit = set.metric ? " m" : "";
  const rows = [];
  const row = (name, value) => rows.push(h("dt", {}, name), h("dd", {}, value));
  const uvd = set.uvd(frame, point);
  if (uvd) {
    row(text("pixel"), `${uvd[0].toFixed(1)}, ${uvd[1].toFixed(1)}`);
    row(text("depth"), short(uvd[2]) + (unit || ` (${text("relativeUnit")})`));
    row(text("position"), set.unproject(...uvd).map(short).join(", "));
    const speed = set.speed(frame, point, clip.fps);
    if (speed !== null) row(text("speedMode"), `${short(speed)}${unit}/s`);
    row(text("rigidity"), short(set.rigidityError(frame, point)) + unit);
    row(text("visibility"), text(set.visible(frame, point) ? "visible" : "notVisible"));
  } else {
    rows.push(h("dd", {}, text("notDrawable")));
  }
  const parts = [text("track", { index: set.index[point] })];
  if (set.object) parts.push(text("objectNumber", { id: set.object[point] }));
  if (clip.sets.length > 1) parts.push(set.name);
  const close = h("button", { type: "button", "aria-label": text("close"), title: text("close"), html: icon("close"), onclick: onClose });
  element.replaceChildren(h("h3", {}, parts.join(" · ")), close, h("dl", {}, ...rows));
}
