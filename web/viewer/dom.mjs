// Making elements in one expression.

/** h("button", {class: "text", onclick: f, "aria-label": "..."}, children...) */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "html") element.innerHTML = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A select from [value, label] pairs. */
export function choice(options, attributes) {
  return h("select", attributes, ...options.map(([value, label]) => h("option", { value }, label)));
}
