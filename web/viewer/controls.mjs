// Mouse, touch and wheel on the cloud. Reports turns, moves and zooms; a press without movement is a pick.

const CLICK_TOLERANCE = { mouse: 4, pen: 6, touch: 10 }; // CSS pixels: fingers tremble
const TURN = 0.008; // radians a pixel

/** Attach to `canvas`; `on` = {orbit(dx, dy), pan(dx, dy), zoom(factor), pick(x, y)}. Listeners end with `signal`. */
export function attachControls(canvas, on, signal) {
  const pointers = new Map();
  let travelled = 0;
  let button = 0;
  const clicks = (event) => travelled <= (CLICK_TOLERANCE[event.pointerType] ?? CLICK_TOLERANCE.mouse);

  const listen = (type, handler, options = {}) => canvas.addEventListener(type, handler, { signal, ...options });

  listen("pointerdown", (event) => {
    event.stopPropagation(); // the canvas below would start dragging the node
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (pointers.size === 1) {
      travelled = 0;
      button = event.shiftKey ? 2 : event.button;
    } else {
      travelled = Infinity;
    }
    canvas.classList.add("turning");
  });

  listen("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    event.stopPropagation();
    const now = [event.offsetX, event.offsetY];
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (pointers.size === 1) {
      travelled += Math.hypot(dx, dy);
      if (!clicks(event)) {
        if (button === 0) on.orbit(dx * TURN, dy * TURN);
        else on.pan(dx / canvas.clientHeight, dy / canvas.clientHeight);
      }
    } else if (pointers.size === 2) {
      const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)[1];
      const spread = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
      on.zoom(spread(before) / spread(now));
      on.pan(dx / 2 / canvas.clientHeight, dy / 2 / canvas.clientHeight);
    }
    pointers.set(event.pointerId, now);
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    event.stopPropagation();
    if (!pointers.size) canvas.classList.remove("turning");
    if (event.type === "pointerup" && clicks(event) && button === 0) on.pick(event.offsetX, event.offsetY);
  };
  listen("pointerup", release);
  listen("pointercancel", release);

  listen(
    "wheel",
    (event) => {
      event.preventDefault();
      event.stopPropagation();
      const lines = event.deltaMode === 1 ? 16 : 1;
      on.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY * lines)) * 0.003));
    },
    { passive: false },
  );
  listen("contextmenu", (event) => {
    event.preventDefault();
    event.stopPropagation();
  });
}

/**
 * Keep fingers on `element` from what listens further up: ComfyUI zooms the graph on a pinch wherever it happens, and
 * sees it while it passes down to its target. Pointer events, of which the viewer lives, come all the same.
 */
export function keepTouches(element, signal) {
  const stop = (event) => event.composedPath().includes(element) && event.stopPropagation();
  for (const type of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
    window.addEventListener(type, stop, { signal, capture: true, passive: true });
  }
}
