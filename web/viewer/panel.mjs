// The viewer's controls: builds them, reports what the user does as act(action, value), and shows the state it is given.

import { COLORMAPS } from "./colormaps.mjs";
import { choice, h } from "./dom.mjs";
import { icon } from "./icons.mjs";
import { SPEEDS } from "./player.mjs";
import { MODES } from "./renderer.mjs";
import { helpRows } from "./shortcuts.mjs";

const MODE_TEXT = { speed: "speedMode" };
export const modeLabel = (text, mode) => text(MODE_TEXT[mode] ?? mode);

export class Panel {
  constructor(text, act) {
    this.text = text;
    this.act = act;
    this.cloud = h("canvas", { "aria-label": text("viewer"), role: "img" });
    this.pictureCanvas = h("canvas", { "aria-label": text("picture"), role: "img" });
    this.picture = h("div", { class: "picture" }, this.pictureCanvas);
    this.message = h("div", { class: "message", role: "status" });
    this.notice = h("div", { class: "notice", role: "status", hidden: true });
    this.legend = h("div", { class: "legend" });
    this.names = [h("div", { class: "name", hidden: true }), h("div", { class: "name", hidden: true })];
    this.divider = h("div", { class: "divider", hidden: true });
    this.info = h("div", { class: "info", hidden: true });
    this.top = this.#top();
    this.menu = h("div", { class: "menu", hidden: true, role: "dialog", "aria-label": text("menu") });
    this.help = this.#help();
    this.bar = this.#bar();
    const view = h("div", { class: "cloud" }, this.cloud, this.divider, ...this.names, this.legend, this.notice, this.info);
    this.stage = h("div", { class: "stage" }, this.picture, view, this.message, this.top, this.menu, this.help);
    this.root = h("div", { class: "root", tabindex: "0", role: "group", "aria-label": text("viewer") }, this.stage, this.bar);
  }

  #button(name, action, value = null, attributes = {}) {
    const label = this.text(attributes.label ?? name);
    return h("button", {
      type: "button", title: label, "aria-label": label, html: icon(name), class: attributes.class ?? "",
      onclick: () => this.act(action, value),
    });
  }

  #top() {
    const { text } = this;
    this.mode = choice([], { "aria-label": text("color"), title: text("color"), onchange: (e) => this.act("mode", e.target.value) });
    this.menuButton = this.#button("menu", "toggleMenu");
    return h(
      "div", { class: "top", hidden: true }, this.mode,
      this.#button("reset", "reset"),
      this.#button("through", "through", null, { class: "wide" }),
      this.#button("screenshot", "screenshot", null, { class: "wide" }),
      (this.record = this.#button("record", "record", null, { class: "wide" })),
      this.menuButton,
      this.#button("help", "toggleHelp", null, { class: "wide" }),
      this.#button("fullscreen", "fullscreen"),
    );
  }

  #bar() {
    const { text } = this;
    this.playButton = this.#button("play", "togglePlay");
    this.loopButton = this.#button("loop", "toggle", "loop");
    this.scrub = h("input", {
      type: "range", min: 0, value: 0, step: 1, "aria-label": text("scrub"), oninput: (e) => this.act("seek", Number(e.target.value)),
    });
    this.counter = h("span", { class: "counter" });
    this.speed = choice(SPEEDS.map((speed) => [speed, `${speed}×`]), {
      "aria-label": text("speed"), title: text("speed"), onchange: (e) => this.act("speed", Number(e.target.value)),
    });
    return h("div", { class: "bar", hidden: true }, this.playButton, this.scrub, this.counter, this.speed, this.loopButton);
  }

  #help() {
    const rows = helpRows(this.text).flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]);
    return h(
      "div", { class: "help", hidden: true, role: "dialog", "aria-label": this.text("help") },
      h("h3", {}, this.text("help")), h("dl", {}, ...rows),
    );
  }

  /** Fit the controls to a clip: choices that make no sense for it are left out. */
  showClip(clip) {
    const { text } = this;
    const offered = MODES.filter(
      (mode) => (mode !== "object" || clip.sets.some((set) => set.object)) && (mode !== "set" || clip.sets.length > 1),
    );
    this.offeredModes = offered;
    this.mode.replaceChildren(...offered.map((mode) => h("option", { value: mode }, modeLabel(text, mode))));
    this.scrub.max = clip.frames - 1;
    for (const control of [this.playButton, this.scrub, this.speed, this.loopButton]) control.disabled = clip.frames < 2;
    this.#fillMenu(clip);
    this.top.hidden = this.bar.hidden = false;
  }

  #fillMenu(clip) {
    const { text } = this;
    const rows = [];
    this.fields = {};
    const row = (key, label, field) => {
      field.id = `pv-${key}`;
      this.fields[key] = field;
      rows.push(h("label", { for: field.id }, text(label)), field);
    };
    const set = (key) => (event) => this.act("set", [key, event.target.type === "checkbox" ? event.target.checked : event.target.value]);
    const number = (key) => (event) => this.act("set", [key, Number(event.target.value)]);
    if (clip.sets.length > 1) {
      const [a, b] = clip.sets.map((each) => each.name);
      const options = [["side", text("side")], ["overlay", text("overlay")], ["first", text("only", { name: a })],
        ["second", text("only", { name: b })]];
      row("compare", "compare", choice(options, { onchange: set("compare") }));
    }
    row("pointSize", "pointSize", h("input", { type: "range", min: 0.2, max: 4, step: 0.05, oninput: number("pointSize") }));
    if (clip.frames > 1) {
      const most = Math.min(clip.frames - 1, 32);
      row("trails", "trails", h("input", { type: "range", min: 0, max: most, step: 1, oninput: number("trails") }));
    }
    row("colormap", "colormap", choice(COLORMAPS.map((name) => [name, name]), { onchange: set("colormap") }));
    if (clip.images.length) {
      const options = ["beside", "corner", "off"].map((value) => [value, text(value)]);
      row("picture", "picture", choice(options, { onchange: set("picture") }));
      row("imagePlane", "imagePlane", h("input", { type: "checkbox", onchange: set("imagePlane") }));
    }
    for (const key of ["frustum", "showHidden", "smooth"]) {
      row(key, key === "showHidden" ? "hidden" : key, h("input", { type: "checkbox", onchange: set(key) }));
    }
    const wide = [["through", "through"], ["screenshot", "screenshot"], ["record", "record"], ["help", "toggleHelp"]];
    const buttons = wide.map(([name, action]) => this.#button(name, action));
    this.menu.replaceChildren(...rows, h("div", { class: "buttons narrow" }, ...buttons));
  }

  /** Controls that follow the settings. */
  showSettings(settings) {
    this.mode.value = settings.mode;
    this.speed.value = settings.speed;
    this.loopButton.setAttribute("aria-pressed", settings.loop);
    for (const [key, field] of Object.entries(this.fields ?? {})) {
      if (field.type === "checkbox") field.checked = settings[key];
      else field.value = settings[key];
    }
  }

  /** Play button, scrub bar and counter: called every drawn frame, so it touches only what changed. */
  showTime(player) {
    if (this.shownPlaying !== player.playing) {
      this.shownPlaying = player.playing;
      const label = this.text(player.playing ? "pause" : "play");
      this.playButton.innerHTML = icon(player.playing ? "pause" : "play");
      this.playButton.title = label;
      this.playButton.setAttribute("aria-label", label);
    }
    const shown = `${player.frame + 1} / ${player.frames}`;
    if (this.counter.textContent === shown) return;
    this.counter.textContent = shown;
    this.scrub.value = player.frame;
    this.scrub.setAttribute("aria-valuetext", this.text("frame", { frame: player.frame + 1, frames: player.frames }));
  }

  /** A text over the whole stage; null removes it. `action` = [label, function] adds a button. */
  showMessage(message, action = null, over = false) {
    this.message.hidden = message === null;
    this.message.classList.toggle("over", over);
    this.message.replaceChildren(message ?? "");
    if (action) this.message.append(h("button", { type: "button", class: "text", onclick: action[1] }, action[0]));
  }

  showNotice(message) {
    this.notice.hidden = !message;
    this.notice.textContent = message ?? "";
  }

  /** Names above the views: one each when side by side, none for a single unnamed set. */
  showNames(names) {
    this.divider.hidden = names.length !== 2;
    this.names.forEach((element, index) => {
      element.hidden = index >= names.length;
      element.textContent = names[index] ?? "";
      element.style.left = index ? "calc(50% + 8px)" : "8px";
    });
  }

  toggle(dialog) {
    const other = dialog === this.menu ? this.help : this.menu;
    other.hidden = true;
    dialog.hidden = !dialog.hidden;
    this.menuButton.setAttribute("aria-pressed", !this.menu.hidden);
  }

  /** Close whatever is open; true if something was. */
  close() {
    const open = [this.menu, this.help].find((dialog) => !dialog.hidden);
    if (open) this.toggle(open);
    return open !== undefined;
  }
}
