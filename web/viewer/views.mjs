// Where the track sets of a clip are drawn, what of them a view has to hold, and what is under a click. No state, no DOM.

import { pickPoint } from "./pick.mjs";

/** Which sets are drawn where, in fractions of the canvas: one view, or two side by side. */
export function viewsOf(clip, compare) {
  const whole = { x: 0, width: 1 };
  if (clip.sets.length < 2 || compare === "first") return [{ sets: [0], ...whole }];
  if (compare === "second") return [{ sets: [1], ...whole }];
  if (compare === "overlay") return [{ sets: [0, 1], ...whole }];
  return [{ sets: [0], x: 0, width: 0.5 }, { sets: [1], x: 0.5, width: 0.5 }];
}

/** The names shown above the views: none for a single set. */
export function viewNames(clip, views) {
  return clip.sets.length > 1 ? views.map((view) => view.sets.map((i) => clip.sets[i].name).join(" + ")) : [];
}

/** What a reset brings into view: {center, radius, points} in the clip's axes; null where there is nothing. */
export function wholeCloud(clip) {
  const sets = clip.sets.filter((set) => set.points);
  if (!sets.length) return null;
  const points = sets.flatMap((set) => somePoints(set, clip.frames));
  const middle = (axis) => {
    const values = points.map((point) => point[axis]).sort((a, b) => a - b);
    return (values[Math.floor(values.length * 0.02)] + values[Math.floor(values.length * 0.98)]) / 2;
  };
  const center = points.length ? [0, 1, 2].map(middle) : sets[0].center;
  return { center, radius: Math.max(...sets.map((set) => set.radius)), points };
}

/** Positions of a few hundred points in a few frames: what has to fit into the view. */
function somePoints(set, frames) {
  const found = [];
  for (let t = 0; t < frames; t += Math.max(1, Math.floor(frames / 8))) {
    for (let i = 0; i < Math.min(set.points, 500); i++) {
      const place = set.xyz(t, i);
      if (place) found.push(place);
    }
  }
  return found;
}

/** The point at (x, y), CSS pixels of the canvas, as {set, point}; null where there is none. */
export function pointAt(clip, views, camera, canvas, x, y, frame, showHidden) {
  const { clientWidth, clientHeight } = canvas;
  for (const view of views) {
    const [left, width] = [view.x * clientWidth, view.width * clientWidth];
    if (x < left || x >= left + width) continue;
    const matrix = camera.matrix(width / clientHeight);
    for (const set of view.sets) {
      const point = pickPoint(clip.sets[set], frame, matrix, x - left, y, width, clientHeight, showHidden);
      if (point >= 0) return { set, point };
    }
  }
  return null;
}

/** Why nothing is seen, as a key of strings.mjs; null where something is. */
export function emptyReason({ sets, frames }) {
  if (sets.every((set) => set.points === 0)) return "empty";
  if (sets.every((set) => set.undrawable === set.points * frames)) return "nothingDrawable";
  return null;
}

/** What the reader should know of the data: thinned out, or with holes. */
export function notices(clip, text) {
  const notes = [];
  for (const set of clip.sets) {
    if (set.points < set.totalPoints) {
      const [shown, total] = [set.points, set.totalPoints].map((n) => n.toLocaleString());
      notes.push(text("decimated", { shown, total }));
    }
    if (set.undrawable) {
      const share = Number(((set.undrawable / (set.points * clip.frames)) * 100).toPrecision(2));
      notes.push(text("undrawable", { share }));
    }
  }
  return [...new Set(notes)].join(" · ");
}
