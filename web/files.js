// Files on the nodes that read and write them: what was saved is named on the node, with a link; a file is uploaded to
// input/pointvid by a button. Touches no other node and no prototype.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const SAVES = new Set(["PointVid_SaveTracks", "PointVid_SaveSample", "PointVid_ExportTracks", "PointVid_SaveModel"]);
const LOADS = { PointVid_LoadTracks: ".npz", PointVid_LoadSample: ".tar" }; // node -> what its files end in
const FOLDER = "pointvid"; // below input/
const UPLOAD = { en: "upload a file", zh: "上传文件", ko: "파일 업로드", ja: "ファイルをアップロード" };
const FAILED = { en: "upload failed", zh: "上传失败", ko: "업로드 실패", ja: "アップロードに失敗しました" };

const said = (texts) => texts[(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en").split("-")[0]] ?? texts.en;

/** Name the files of a result on the node; the widget appears with the first of them. */
function show(node, files) {
  if (!files?.length) return;
  let list = node.pointvidSaved;
  if (!list) {
    list = node.pointvidSaved = document.createElement("div");
    list.className = "pointvid-saved";
    list.style.cssText = "font-size: 12px; overflow: auto; overflow-wrap: anywhere; user-select: text";
    node.addDOMWidget("saved", "pointvid_saved", list, { serialize: false, getMinHeight: () => 36 });
  }
  list.replaceChildren(
    ...files.map((file) => {
      const link = document.createElement("a");
      const { filename, subfolder = "", type = "output" } = file;
      link.textContent = [type, subfolder, filename].filter(Boolean).join("/");
      link.href = api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
      link.download = filename;
      link.style.cssText = "display: block; color: inherit";
      return link;
    }),
  );
}

/** Lay a file into input/pointvid and choose it. */
async function upload(node, file) {
  const body = new FormData();
  body.append("image", file); // the host's only route for uploads; it takes any file
  body.append("subfolder", FOLDER);
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!response.ok) {
    app.extensionManager?.toast?.add({ severity: "error", summary: said(FAILED), detail: `${file.name}: ${response.status}` });
    return;
  }
  const { name, subfolder } = await response.json();
  const value = subfolder ? `${subfolder}/${name}` : name;
  const widget = node.widgets.find((candidate) => candidate.name === "file");
  const known = widget.options.values;
  if (Array.isArray(known) && !known.includes(value)) widget.options.values = [value, ...known];
  widget.value = value;
  widget.callback?.(value);
}

app.registerExtension({
  name: "PointVid.Files",

  nodeCreated(node) {
    if (SAVES.has(node.comfyClass)) {
      const own = node.onExecuted;
      node.onExecuted = function (output) {
        own?.apply(this, arguments);
        show(node, output?.files ?? output?.["3d"]);
      };
    }
    const suffix = LOADS[node.comfyClass];
    if (!suffix) return;
    const button = node.addWidget("button", "upload", null, () => {
      const input = document.createElement("input");
      Object.assign(input, { type: "file", accept: suffix });
      input.onchange = () => input.files[0] && upload(node, input.files[0]);
      input.click();
    });
    button.label = said(UPLOAD);
    button.serialize = false;
  },
});
