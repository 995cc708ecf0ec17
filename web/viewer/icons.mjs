// Line icons on a 16 x 16 grid, drawn with the text's colour.

const PATHS = {
  play: '<path d="M5 3.2v9.6l7.6-4.8z" fill="currentColor"/>',
  pause: '<path d="M5.3 3.5v9M10.7 3.5v9" stroke-width="2.2"/>',
  loop: '<path d="M3 8.5V7a2.5 2.5 0 0 1 2.5-2.5H13M10.8 2.2 13 4.5l-2.2 2.3M13 7.5V9a2.5 2.5 0 0 1-2.5 2.5H3M5.2 13.8 3 11.5l2.2-2.3"/>',
  menu: '<path d="M2.5 4.5h6M12 4.5h1.5M2.5 11.5H4M7.5 11.5h6"/><circle cx="10.2" cy="4.5" r="1.7"/><circle cx="5.8" cy="11.5" r="1.7"/>',
  reset: '<path d="M2.5 7.5 8 3l5.5 4.5M4 6.8V13h8V6.8"/>',
  through: '<path d="M2.5 5h7.5v6H2.5zM10 7.3l3.5-2v5.4l-3.5-2"/>',
  fullscreen: '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>',
  screenshot: '<path d="M2.5 5h2.7l1-1.7h3.6l1 1.7h2.7v8h-11z"/><circle cx="8" cy="8.8" r="2.3"/>',
  record: '<circle cx="8" cy="8" r="5.3"/><circle cx="8" cy="8" r="2.5" fill="currentColor"/>',
  help: '<path d="M6 6.2a2 2 0 1 1 2.7 1.9c-.5.2-.7.6-.7 1.2M8 11.6v.2"/><circle cx="8" cy="8" r="5.8"/>',
  close: '<path d="m4 4 8 8M12 4l-8 8"/>',
};

export function icon(name) {
  return `<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor"
    stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round">${PATHS[name]}</svg>`;
}
