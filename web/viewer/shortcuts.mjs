// Keys, and the overlay that lists them.

/** [keys as event.key values, how they are written, action, value, text key]; several rows may share a text. */
export const SHORTCUTS = [
  [[" "], "Space", "togglePlay", null, "play"],
  [["ArrowLeft"], "←", "step", -1, "helpStep"],
  [["ArrowRight"], "→", "step", 1, "helpStep"],
  [["Home"], "Home", "end", 0, "helpEnds"],
  [["End"], "End", "end", 1, "helpEnds"],
  [["["], "[", "changeSpeed", -1, "helpSpeed"],
  [["]"], "]", "changeSpeed", 1, "helpSpeed"],
  [["l"], "L", "toggle", "loop", "loop"],
  [["c"], "C", "nextMode", null, "helpColor"],
  [["-"], "−", "scalePoints", 1 / 1.25, "helpSize"],
  [["+", "="], "+", "scalePoints", 1.25, "helpSize"],
  [["t"], "T", "toggleTrails", null, "trails"],
  [["h"], "H", "toggle", "showHidden", "hidden"],
  [["k"], "K", "toggle", "frustum", "frustum"],
  [["i"], "I", "toggle", "imagePlane", "imagePlane"],
  [["r"], "R", "reset", null, "reset"],
  [["v"], "V", "through", null, "through"],
  [["f"], "F", "fullscreen", null, "fullscreen"],
  [["s"], "S", "screenshot", null, "screenshot"],
  [["?"], "?", "toggleHelp", null, "help"],
  [["Escape"], "Esc", "escape", null, "helpDeselect"],
];

const MOUSE = [["drag", "helpDrag"], ["rightDrag", "helpPan"], ["wheel", "helpZoom"], ["click", "helpPick"]];

/** Handle one keydown: runs `act(action, value)` and keeps the key from the page. Keys typed into a field are left alone. */
export function handleKey(event, act) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.composedPath()[0];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const takesKey =
    (field.matches?.("input[type=range]") && /^(Arrow|Home|End|Page)/.test(key)) ||
    field.matches?.("select") ||
    (field.matches?.("button, input[type=checkbox]") && key === " ");
  event.stopPropagation();
  if (takesKey) return;
  const row = SHORTCUTS.find(([keys]) => keys.includes(key));
  if (!row) return;
  event.preventDefault();
  act(row[2], row[3]);
}

/** [written keys, text] rows for the help overlay. */
export function helpRows(text) {
  const rows = MOUSE.map(([how, what]) => [text(how), text(what)]);
  for (const [, written, , , key] of SHORTCUTS) {
    const same = rows.find((row) => row[1] === text(key));
    if (same) same[0] += ` ${written}`;
    else rows.push([written, text(key)]);
  }
  return rows;
}
