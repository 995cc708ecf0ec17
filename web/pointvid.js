// Gives the Point-Cloud Preview node its viewer; all but this comes with the first such node. Touches no other node and no
// prototype.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const NODE = "PointVid_PointCloudPreview";
const OUTPUT = "pointvid"; // the node's UI result: [{filename, subfolder, type}] of a .pvt file
const FILE = "pointvid_file"; // node property: what was shown last, so that a reloaded page shows it again
const SETTINGS = "pointvid_viewer"; // node property: the viewer's settings
const MIN_HEIGHT = 240;
const FIRST_SIZE = [460, 780];

/** One preview node's widget: loads the viewer's code, then its data, in the background. */
class Preview {
  constructor(node) {
    this.node = node;
    this.element = document.createElement("div");
    this.element.style.cssText = `width: 100%; height: 100%; min-height: ${MIN_HEIGHT}px`;
    this.removed = false;
    node.addDOMWidget("viewer", "pointvid_viewer", this.element, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => MIN_HEIGHT,
    });
    this.ready = this.#open();
  }

  async #open() {
    const { createViewer } = await import("./viewer/viewer.mjs");
    if (this.removed) return;
    this.viewer = createViewer(this.element, {
      settings: this.node.properties[SETTINGS],
      onSettings: (settings) => (this.node.properties[SETTINGS] = settings),
      locale: app.extensionManager?.setting?.get("Comfy.Locale") ?? navigator.language,
    });
  }

  /** Show a result of the node. The file's name is unique, so the same name is the same content. */
  async show(file, restored = false) {
    const key = JSON.stringify([file.filename, file.subfolder, file.type]);
    if (this.key === key) return;
    this.key = key;
    this.fetching?.abort();
    const { signal } = (this.fetching = new AbortController());
    await this.ready;
    if (this.removed || signal.aborted) return;
    this.viewer.showMessage("loading");
    try {
      const query = new URLSearchParams({ filename: file.filename, subfolder: file.subfolder ?? "", type: file.type ?? "temp" });
      const response = await api.fetchApi(`/view?${query}`, { signal });
      const buffer = response.ok ? await response.arrayBuffer() : null;
      if (this.removed || signal.aborted) return;
      if (buffer) {
        this.viewer.load(buffer);
        this.node.properties[FILE] = { filename: file.filename, subfolder: file.subfolder, type: file.type };
      } else {
        this.#fail(response.status, restored);
      }
    } catch (error) {
      if (!signal.aborted && !this.removed) this.#fail(error.message, restored);
    }
  }

  #fail(status, restored) {
    this.key = null; // asking again may succeed
    // Temporary files go when the server restarts: then a reopened workflow simply has nothing to show yet.
    if (restored) this.viewer.showMessage("noData");
    else this.viewer.showMessage("missingFile", { status });
  }

  dispose() {
    this.removed = true;
    this.fetching?.abort();
    this.viewer?.dispose();
  }
}

const previews = new Map(); // node -> Preview, those on a graph now

/** Call `extra` after the node's own handler of that name; the node object is ours, its class is left alone. */
function alsoOn(node, name, extra) {
  const own = node[name];
  node[name] = function (...values) {
    const answer = own?.apply(this, values);
    extra(...values);
    return answer;
  };
}

/** Whether an output key names this node: "7" on the root graph, "<subgraph id>:7" inside a subgraph. */
function names(key, node) {
  const [id, graph] = key.split(":").reverse();
  return id === String(node.id) && (graph ? graph === node.graph?.id : node.graph === (app.rootGraph ?? app.graph));
}

app.registerExtension({
  name: "PointVid.PointCloudPreview",

  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const preview = new Preview(node);
    previews.set(node, preview);
    node.setSize([Math.max(node.size[0], FIRST_SIZE[0]), Math.max(node.size[1], FIRST_SIZE[1])]);
    alsoOn(node, "onExecuted", (output) => output?.[OUTPUT]?.[0] && preview.show(output[OUTPUT][0]));
    alsoOn(node, "onConfigure", () => node.properties[FILE] && preview.show(node.properties[FILE], true));
    alsoOn(node, "onRemoved", () => {
      preview.dispose();
      previews.delete(node);
    });
  },

  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs ?? {})) {
      const file = output?.[OUTPUT]?.[0];
      if (!file) continue;
      for (const [node, preview] of previews) if (names(key, node)) preview.show(file, true);
    }
  },
});
