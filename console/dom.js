// Making and changing parts of the page. Texts go in as texts only: what the console shows was written by strangers.

// A new element: its attributes (`on` holds listeners), then its children, which are nodes or texts.
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) {
      made.setAttribute(key, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(key, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

// Writes only what differs, so that nothing is laid out or read aloud anew for the same text.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Tells people who do not see the page what has changed. The same text again is read again.
export function announce(text) {
  const said = byId("said");
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
}

// Asks before something is done; true if the answer is yes.
export function ask(title, text, yes) {
  const dialog = byId("question");
  byId("question-title").textContent = title;
  byId("question-text").textContent = text;
  byId("question-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => {
      if (dialog.open) return; // told late of the question before
      dialog.removeEventListener("close", closed);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}
