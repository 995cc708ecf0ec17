// Assembles the viewer: createViewer(element, options) -> {load, showMessage, setSize, dispose, ...}.

import { compose, download, drawFor, startRecording } from "./capture.mjs";
import { OrbitCamera } from "./camera.mjs";
import { attachControls, keepTouches } from "./controls.mjs";
import { FormatError, parseClip } from "./format.mjs";
import { Panel } from "./panel.mjs";
import { pickPixel } from "./pick.mjs";
import { Pictures } from "./pictures.mjs";
import { drawPicture, pixelAt } from "./picture_panel.mjs";
import { Player, SPEEDS } from "./player.mjs";
import { showLegend, showPicked } from "./readout.mjs";
import { Renderer } from "./renderer.mjs";
import { handleKey } from "./shortcuts.mjs";
import { translator } from "./strings.mjs";
import { STYLE } from "./style.mjs";
import { emptyReason, notices, pointAt, viewNames, viewsOf, wholeCloud } from "./views.mjs";

const DEFAULTS = {
  mode: "rgb", colormap: "viridis", pointSize: 1, trails: 0, showHidden: true, smooth: true, frustum: false,
  imagePlane: false, picture: null, compare: "side", speed: 1, loop: true, autoplay: true,
};
const ROOMY = 380; // CSS pixels of width and height: where either is less, the RGB frame goes into a corner of the cloud
const TALL = 1.25; // where the stage is narrower than this many heights, the RGB frame goes below the cloud, not beside it

/**
 * Build a viewer inside `element` (which it fills).
 * @param options {settings, onSettings(settings), locale}: `settings` are those a former viewer reported.
 */
export function createViewer(element, options = {}) {
  return new Viewer(element, options);
}

class Viewer {
  constructor(element, { settings = {}, onSettings = () => {}, locale = "en" }) {
    this.text = translator(locale);
    this.settings = { ...DEFAULTS, ...settings };
    this.onSettings = onSettings;
    this.clip = null;
    this.picked = null;
    this.shown = true;
    this.drawn = 0;
    this.ending = new AbortController();
    this.camera = new OrbitCamera();
    this.panel = new Panel(this.text, (action, value) => this.act(action, value));
    this.host = document.createElement("div");
    this.host.style.cssText = "width: 100%; height: 100%";
    const shadow = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.panel.root);
    element.append(this.host);
    this.#makeRenderer();
    this.#listen();
    if (this.renderer) this.panel.showMessage(this.text("noData"));
  }

  #makeRenderer() {
    try {
      this.renderer = new Renderer(this.panel.cloud);
    } catch (error) {
      if (error.message !== "noWebGL") throw error;
      this.renderer = null;
      this.panel.showMessage(this.text("noWebGL"));
    }
  }

  #listen() {
    const { signal } = this.ending;
    const { pictureCanvas, root } = this.panel;
    pictureCanvas.addEventListener("click", (event) => this.#pickPixel(event), { signal });
    root.addEventListener("keydown", (event) => handleKey(event, (action, value) => this.act(action, value)), { signal });
    // The page's own canvas zooms on wheel and drags on press; what happens on this widget stays here.
    for (const type of ["wheel", "pointerdown"]) {
      root.addEventListener(type, (event) => event.stopPropagation(), { signal, passive: true });
    }
    root.addEventListener("contextmenu", (event) => event.stopPropagation(), { signal });
    keepTouches(this.host, signal);
    document.addEventListener("visibilitychange", () => this.invalidate(), { signal });
    this.resizing = new ResizeObserver(() => this.#resized());
    this.watching = new IntersectionObserver((entries) => {
      this.shown = entries.at(-1).isIntersecting;
      this.invalidate();
    });
    this.watching.observe(this.host);
    this.#listenToCloud();
  }

  #listenToCloud() {
    const { signal } = this.ending;
    const { cloud } = this.panel;
    const change = (method) => (...values) => {
      this.camera[method](...values);
      this.invalidate();
    };
    const pick = (x, y) => this.#pickAt(x, y);
    attachControls(cloud, { orbit: change("orbit"), pan: change("pan"), zoom: change("zoom"), pick }, signal);
    cloud.addEventListener("webglcontextlost", (event) => this.#lost(event), { signal });
    cloud.addEventListener("webglcontextrestored", () => this.#restored(), { signal });
    this.resizing.observe(cloud);
  }

  /** Show a .pvt file (ArrayBuffer). A damaged file is explained on the widget; nothing is thrown. */
  load(buffer) {
    if (!this.renderer) return;
    let clip;
    try {
      clip = parseClip(buffer);
    } catch (error) {
      const known = error instanceof FormatError;
      if (!known) console.error(error);
      return this.panel.showMessage(this.text(known ? error.message : "truncatedFile"));
    }
    const sameClip = this.clip !== null && this.clip.frames === clip.frames;
    this.pictures?.dispose();
    this.pictures = new Pictures(clip.images);
    this.clip = clip;
    this.picked = null;
    this.renderer.load(clip);
    const time = sameClip ? this.player.time : 0;
    this.player = new Player(clip.frames, clip.fps);
    this.player.seek(time);
    this.player.loop = this.settings.loop;
    this.player.speed = this.settings.speed;
    this.panel.showClip(clip);
    if (!this.panel.offeredModes.includes(this.settings.mode)) this.settings.mode = "rgb";
    this.#explain();
    this.panel.showNotice(notices(clip, this.text));
    if (this.settings.autoplay) this.player.play();
    this.#applySettings();
    if (!sameClip) this.#frameCloud(); // once the layout, and so the view's aspect, is settled
  }

  /** Explain something over the whole stage (a key of strings.mjs), e.g. "loading". */
  showMessage(key, values) {
    if (this.renderer) this.panel.showMessage(this.text(key, values));
  }

  /** Only needed where the element's size does not come from the page's layout. */
  setSize(width, height) {
    this.host.style.width = `${width}px`;
    this.host.style.height = `${height}px`;
  }

  /** Counters for tests and benchmarks. */
  get statistics() {
    return { drawn: this.drawn, frame: this.player?.frame ?? null, playing: this.player?.playing ?? false };
  }

  dispose() {
    cancelAnimationFrame(this.request);
    this.recording?.stop();
    this.ending.abort();
    this.resizing.disconnect();
    this.watching.disconnect();
    this.pictures?.dispose();
    this.renderer?.dispose();
    this.renderer = this.clip = null;
    this.host.remove();
  }

  /** Run what a control or a key asks for. */
  act(action, value) {
    const run = this.#actions[action];
    if (this.clip && this.renderer) run(value);
    this.invalidate();
  }

  #actions = {
    togglePlay: () => this.#play(!this.player.playing),
    seek: (time) => {
      this.player.pause();
      this.player.seek(time);
    },
    step: (by) => this.player.step(by),
    end: (last) => this.#actions.seek(last ? this.clip.frames - 1 : 0),
    speed: (speed) => this.#set("speed", speed),
    changeSpeed: (by) => {
      const at = SPEEDS.indexOf(this.settings.speed) + by;
      this.#set("speed", SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))]);
    },
    mode: (mode) => this.#set("mode", mode),
    nextMode: () => {
      const modes = this.panel.offeredModes;
      this.#set("mode", modes[(modes.indexOf(this.settings.mode) + 1) % modes.length]);
    },
    set: ([key, to]) => this.#set(key, to),
    toggle: (key) => this.#set(key, !this.settings[key]),
    toggleTrails: () => this.#set("trails", this.settings.trails ? 0 : Math.min(8, this.clip.frames - 1)),
    scalePoints: (by) => this.#set("pointSize", Math.max(0.2, Math.min(4, this.settings.pointSize * by))),
    reset: () => this.camera.reset(this.#aspect()),
    through: () => this.camera.matchClip(this.clip.sets[this.#views()[0].sets[0]], this.#aspect()),
    fullscreen: () => (document.fullscreenElement ? document.exitFullscreen() : this.host.requestFullscreen()),
    screenshot: () => this.screenshot().then((blob) => download(blob, "pointvid.png")),
    record: () => this.record().then((blob) => blob && download(blob, "pointvid.webm")),
    toggleMenu: () => this.panel.toggle(this.panel.menu),
    toggleHelp: () => this.panel.toggle(this.panel.help),
    escape: () => this.panel.close() || this.#select(null),
  };

  #play(on) {
    if (on) this.player.play();
    else this.player.pause();
    this.settings.autoplay = on;
    this.onSettings({ ...this.settings });
  }

  #set(key, value) {
    this.settings[key] = value;
    this.#applySettings();
    this.onSettings({ ...this.settings });
  }

  #applySettings() {
    const { settings, panel, player, clip } = this;
    player.loop = settings.loop;
    player.speed = settings.speed;
    const { clientWidth, clientHeight } = panel.stage;
    const fitting = Math.min(clientWidth, clientHeight) < ROOMY ? "corner" : "beside";
    const placement = clip.images.length ? (settings.picture ?? fitting) : "off";
    panel.picture.className = `picture ${placement}`;
    panel.stage.classList.toggle("tall", clientWidth < TALL * clientHeight);
    if (clip.imageSize) panel.picture.style.setProperty("--shape", clip.imageSize[0] / clip.imageSize[1]);
    panel.showSettings({ ...settings, picture: placement });
    panel.showNames(viewNames(clip, this.#views()));
    showLegend(panel.legend, this.text, clip, settings.mode, settings.colormap, this.renderer.range(settings.mode));
    this.invalidate();
  }

  #aspect() {
    const { clientWidth, clientHeight } = this.panel.cloud;
    return (clientWidth * this.#views()[0].width) / Math.max(1, clientHeight);
  }

  #views() {
    return viewsOf(this.clip, this.settings.compare);
  }

  #frameCloud() {
    const whole = wholeCloud(this.clip);
    if (!whole) return;
    this.camera.frame(whole.center, whole.radius, whole.points);
    this.camera.reset(this.#aspect());
  }

  /** Over everything: why there is nothing to see, if there is not. */
  #explain() {
    const reason = this.clip ? emptyReason(this.clip) : "noData";
    this.panel.showMessage(reason && this.text(reason));
  }

  #pickAt(x, y) {
    if (!this.clip) return;
    const { clip, camera, player, settings, panel } = this;
    this.#select(pointAt(clip, this.#views(), camera, panel.cloud, x, y, player.frame, settings.showHidden));
  }

  #pickPixel(event) {
    if (!this.clip) return;
    const set = this.#views()[0].sets[0];
    const tracks = this.clip.sets[set];
    const [u, v] = pixelAt(this.panel.pictureCanvas, event, tracks.imageSize);
    const point = pickPixel(tracks, this.player.frame, u, v, tracks.imageSize[1] / 20);
    this.#select(point < 0 ? null : { set, point });
  }

  #select(picked) {
    this.picked = picked;
    this.pickedFrame = null;
    this.invalidate();
  }

  /** Ask for one more drawn frame. While playing, frames keep coming; off screen none are drawn. */
  invalidate() {
    if (this.request || !this.clip || !this.renderer) return;
    if (!this.shown || !this.host.isConnected || document.hidden) return;
    this.request = requestAnimationFrame((now) => {
      this.request = 0;
      const seconds = this.player.playing && this.lastDraw ? Math.min((now - this.lastDraw) / 1000, 0.25) : 0;
      this.lastDraw = this.player.playing ? now : 0;
      this.player.advance(seconds);
      this.draw();
      if (this.player.playing) this.invalidate();
    });
  }

  /** Draw the present moment, now. */
  draw() {
    const { settings, player, clip, panel } = this;
    const picture = this.pictures.get(player.frame, () => this.invalidate());
    this.renderer.draw({
      ...settings, camera: this.camera, views: this.#views(), time: player.time, picture,
      picked: this.picked, pointSize: settings.pointSize * this.#naturalSize(),
    });
    this.#drawPicture(picture);
    panel.showTime(player);
    if (this.pickedFrame !== player.frame) {
      this.pickedFrame = player.frame;
      showPicked(panel.info, this.text, clip, this.picked, player.frame, () => this.#select(null));
    }
    this.drawn++;
  }

  /** The RGB frame changes a few times a second, the cloud at every refresh: it is drawn again only when it differs. */
  #drawPicture(bitmap) {
    const { panel, picked, player, pictureShown: shown } = this;
    if (!bitmap || panel.picture.className === "picture off") return;
    if (shown?.bitmap === bitmap && shown.picked === picked) return;
    drawPicture(panel.pictureCanvas, bitmap, this.clip, picked, player.frame);
    this.pictureShown = { bitmap, picked };
  }

  /** A point size, in CSS pixels at the centre's distance, at which a surface sampled by this many points looks closed. */
  #naturalSize() {
    const points = Math.max(1, ...this.clip.sets.map((set) => set.points));
    return Math.max(1.8, Math.min(8, (0.75 * this.panel.cloud.clientHeight) / Math.sqrt(points)));
  }

  #resized() {
    const { cloud } = this.panel;
    const scale = Math.min(2, globalThis.devicePixelRatio || 1);
    cloud.width = Math.max(1, Math.round(cloud.clientWidth * scale));
    cloud.height = Math.max(1, Math.round(cloud.clientHeight * scale));
    if (!this.clip || !this.renderer) return;
    this.#applySettings();
    if (this.shown && this.host.isConnected) this.draw(); // resizing cleared the canvas
  }

  #lost(event) {
    event.preventDefault(); // allows the browser to restore it
    if (!this.renderer) return;
    this.panel.showMessage(this.text("lost"), [this.text("restore"), () => this.#replaceCloud()], true);
  }

  /** A context the browser does not give back is replaced by one on a new canvas. */
  #replaceCloud() {
    const { cloud } = this.panel;
    this.resizing.unobserve(cloud);
    this.panel.cloud = cloud.cloneNode();
    cloud.replaceWith(this.panel.cloud);
    this.#makeRenderer();
    if (!this.renderer) return;
    if (this.clip) this.renderer.load(this.clip);
    this.#listenToCloud();
    this.#explain();
    this.invalidate();
  }

  #restored() {
    this.renderer.restore();
    this.#explain();
    this.invalidate();
  }

  /** A PNG Blob of the present moment. */
  screenshot() {
    this.draw(); // WebGL's picture can be read only in the task that drew it
    return new Promise((resolve) => compose(this.panel.cloud, this.#besidePicture()).toBlob(resolve, "image/png"));
  }

  #besidePicture() {
    return this.panel.picture.classList.contains("beside") ? this.panel.pictureCanvas : null;
  }

  /** A WebM Blob of the clip played once at the present speed, or null when a recording already runs. */
  async record() {
    if (this.recording) return null;
    const canvas = compose(this.panel.cloud, this.#besidePicture());
    try {
      this.recording = startRecording(canvas);
    } catch (error) {
      this.panel.showNotice(this.text(error.message));
      return null;
    }
    this.panel.record.setAttribute("aria-pressed", true);
    this.panel.showNotice(this.text("recording"));
    const { player } = this;
    const wasPlaying = player.playing;
    player.pause();
    const seconds = Math.min(player.frames / player.fps / player.speed, 120);
    await drawFor(seconds, (elapsed) => {
      if (!this.clip) return false;
      player.seek(elapsed * player.fps * player.speed);
      this.draw();
      compose(this.panel.cloud, this.#besidePicture(), canvas);
      return true;
    });
    this.recording.stop();
    const blob = await this.recording.done;
    this.recording = null;
    if (!this.clip) return null;
    this.panel.record.setAttribute("aria-pressed", false);
    this.panel.showNotice(notices(this.clip, this.text));
    if (wasPlaying) player.play();
    this.invalidate();
    return blob;
  }
}
