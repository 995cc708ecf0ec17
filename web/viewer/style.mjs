// The look: dark and neutral, like the canvas around it. Lives in the viewer's shadow root, so nothing leaks either way.

export const STYLE = `
:host { all: initial; display: block; width: 100%; height: 100%; }
* { box-sizing: border-box; margin: 0; font: 12px/1.35 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
.root { display: flex; flex-direction: column; width: 100%; height: 100%; min-height: 0; color: #dcdee3; background: #15161a;
  border-radius: 6px; overflow: hidden; outline: none; container-type: inline-size; user-select: none; -webkit-user-select: none; }
.root:focus-visible { box-shadow: inset 0 0 0 1px #56b4e9; }
.root:fullscreen { border-radius: 0; }
.stage { position: relative; flex: 1; display: flex; min-height: 0; }
.cloud { position: relative; flex: 1; min-width: 0; }
.cloud canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; touch-action: none; cursor: grab; }
.cloud canvas.turning { cursor: grabbing; }
.picture { display: none; background: #0e0f12; }
.picture canvas { width: 100%; height: 100%; object-fit: contain; display: block; cursor: crosshair; }
.picture.beside { display: block; flex: 0 0 42%; border-right: 1px solid #26282e; }
.stage.tall { flex-direction: column-reverse; }
.tall .picture.beside { flex: 0 0 auto; height: min(45%, var(--shape) * 100cqw); border-right: 0; border-top: 1px solid #26282e; }
.picture.corner { display: block; position: absolute; z-index: 1; left: 6px; bottom: 6px; width: min(34%, 260px); border-radius: 4px;
  overflow: hidden; box-shadow: 0 0 0 1px #3a3d45, 0 2px 8px #000a; }
.picture.corner canvas { height: auto; }

button, select { color: inherit; background: #24262ce6; border: 1px solid #363942; border-radius: 4px; height: 24px; cursor: pointer; }
button { display: inline-flex; align-items: center; justify-content: center; gap: 6px; padding: 0; width: 26px; }
button:hover, select:hover { background: #30333bf2; border-color: #4a4e59; }
button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid #56b4e9; outline-offset: 1px; }
button[aria-pressed="true"] { color: #15161a; background: #8fcbef; border-color: #8fcbef; }
button[disabled] { opacity: .45; cursor: default; }
button.text { width: auto; padding: 0 8px; }
select { padding: 0 4px; max-width: 130px; }
option { background: #24262c; }
input[type=range] { accent-color: #8fcbef; height: 16px; min-width: 0; margin: 0; cursor: pointer; }
input[type=checkbox] { accent-color: #8fcbef; width: 14px; height: 14px; margin: 0; }

.top { position: absolute; z-index: 2; top: 6px; right: 6px; display: flex; gap: 4px; }
.wide { display: none; }
@container (min-width: 600px) { .top .wide { display: inline-flex; } .menu .buttons.narrow { display: none; } }
.bar { display: flex; align-items: center; gap: 6px; padding: 5px 6px; background: #1c1e23; border-top: 1px solid #26282e; }
.bar input[type=range] { flex: 1; }
.counter { min-width: 50px; text-align: right; font-variant-numeric: tabular-nums; color: #a9adb7; white-space: nowrap; }

.legend { position: absolute; z-index: 1; right: 8px; bottom: 6px; width: 130px; font-size: 11px; color: #c4c7cf; pointer-events: none; }
.legend .scale { height: 7px; border-radius: 2px; }
.legend .title { text-align: center; }
.legend .ends { display: flex; justify-content: space-between; white-space: nowrap; font-size: 10.5px; font-variant-numeric: tabular-nums; }
.legend .keys { display: flex; gap: 10px; justify-content: flex-end; }
.legend .keys span::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 4px; margin-right: 4px;
  background: var(--key); }
.name { position: absolute; z-index: 1; bottom: 6px; padding: 1px 6px; border-radius: 3px; background: #15161acc; font-size: 11px;
  pointer-events: none; max-width: 40%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.divider { position: absolute; z-index: 1; left: 50%; top: 0; bottom: 0; width: 1px; background: #3a3d45; pointer-events: none; }
.info { position: absolute; z-index: 2; left: 8px; top: 38px; padding: 6px 8px; border-radius: 5px; background: #1c1e23ee;
  border: 1px solid #363942; font-variant-numeric: tabular-nums; user-select: text; -webkit-user-select: text; }
.info h3 { font-weight: 600; margin-bottom: 3px; padding-right: 20px; }
.info button { position: absolute; right: 3px; top: 3px; width: 20px; height: 20px; border: 0; background: none; }
.info dl { display: grid; grid-template-columns: auto auto; gap: 0 10px; }
.info dt { color: #9ca0ab; }
.notice { position: absolute; z-index: 1; left: 8px; top: 8px; max-width: calc(100% - 260px); min-width: 110px; padding: 2px 7px; border-radius: 4px; font-size: 11px;
  background: #3a2f14e6; color: #f2d58a; pointer-events: none; }
.message { position: absolute; z-index: 3; inset: 0; display: flex; flex-direction: column; gap: 10px; align-items: center;
  justify-content: center; padding: 20px; text-align: center; color: #b9bdc7; background: #15161a; }
.message.over { background: #15161ae6; }

.menu, .help { position: absolute; z-index: 4; top: 34px; right: 6px; padding: 10px; border-radius: 6px; background: #1c1e23f7;
  border: 1px solid #363942; box-shadow: 0 4px 16px #000a; max-height: calc(100% - 40px); overflow: auto; scrollbar-width: thin; }
.menu { display: grid; grid-template-columns: auto minmax(90px, 1fr); gap: 7px 12px; align-items: center; width: min(290px, calc(100% - 12px)); }
.menu label { color: #b9bdc7; }
.menu select, .menu input[type=range] { width: 100%; max-width: none; }
.menu .buttons { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 5px; }
.help { width: min(370px, calc(100% - 12px)); }
.help h3 { font-weight: 600; margin-bottom: 6px; }
.help dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 12px; }
.help dt { color: #8fcbef; white-space: normal; }
[hidden] { display: none !important; }
@media (prefers-reduced-motion: no-preference) { button { transition: background .12s; } }
`;
