// An explanation (POST /v1/explain) as a path down the chain: who was asked, what each said, on which bytes, how fast.
import { make } from "./dom.js";
import { nanoseconds } from "./format.js";

// Outcomes that have a colour of their own; everything else passed.
const KINDS = { denied: "denied", failed: "failed", changed: "changed", passed: "passed", open: "wait" };

const bytesOf = (text) => new TextEncoder().encode(text ?? "").length;

// The text around what hit, as the engine cut it out of the event.
function evidence(where, bytes) {
  const key = where.key ? `${where.parent ? `${where.parent}.` : ""}${where.key}` : "the event";
  const cut = where.end - where.start > bytesOf(where.text);
  const begins = bytesOf(where.before) >= where.start;
  const ends = !where.replaced_event && where.end + bytesOf(where.after) >= bytes;
  return make("figure", { class: "evidence" },
    make("figcaption", {}, `${where.replaced_event ? "in the replaced event, " : ""}${key}, bytes ${where.start} to ${where.end}`),
    make("code", {}, begins ? "" : "…", where.before ?? "", make("mark", {}, where.text, cut ? "…" : ""), where.after ?? "", ends ? "" : "…"));
}

function fact(name, value) {
  return value === null || value === undefined || value === "" ? null : make("p", { class: "fact" }, make("b", {}, name), " ", value);
}

function bar(part, whole) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "time-bar");
  svg.setAttribute("viewBox", "0 0 100 4");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  rectangle.setAttribute("width", Math.max(1, (100 * part) / (whole || 1)));
  rectangle.setAttribute("height", 4);
  svg.append(rectangle);
  return svg;
}

const timeOf = (module) => module.median_ns ?? module.ns;

function step(module, slowest, bytes) {
  const asked = module.not_asked === null || module.not_asked === undefined;
  const kind = !asked ? "skipped" : module.ends ? "ends" : module.would_have_ended ? "trial" : "passed";
  const head = make("p", { class: "step-head" },
    make("span", { class: "place" }, String(module.index)), " ", make("b", {}, module.module), " ",
    make("span", { class: "says" }, asked ? module.says : `not asked: ${module.not_asked}`));
  if (module.would_have_ended) head.append(" ", make("span", { class: "tag trial" }, "dry run"));
  if (module.ends) head.append(" ", make("span", { class: "tag denied" }, "decides"));
  if (!asked) return make("li", { class: `step ${kind}` }, head);
  const waited = module.waited_ns > 0 ? `, then waited ${nanoseconds(module.waited_ns)}` : "";
  return make("li", { class: `step ${kind}` }, head,
    make("p", { class: "step-time" }, bar(timeOf(module), slowest), `${nanoseconds(timeOf(module))}${waited}`),
    fact("Rule", module.rule), fact("Reason", module.reason),
    module.tags?.length ? fact("Tags", module.tags.join(", ")) : null,
    module.where ? evidence(module.where, bytes) : null);
}

function callback(asked, slowest, bytes) {
  if (!asked.modules.length) {
    return make("p", { class: "hint" }, `${asked.name} (${asked.family}): ${asked.not_asked ? `not asked: ${asked.not_asked}` : "no module"}`);
  }
  return make("section", { class: "callback" },
    make("h3", {}, asked.name, " ", make("small", {}, asked.family)),
    asked.not_asked ? make("p", { class: "hint" }, `Not asked: ${asked.not_asked}`) : null,
    make("ol", { class: "path" }, ...asked.modules.map((module) => step(module, slowest, bytes))));
}

function outcomeText(outcome) {
  if (outcome.kind === "open") return `Open: ${outcome.reason}`;
  const names = { passed: "Passed", changed: "Changed", denied: "Denied", failed: "Failed" };
  const by = outcome.module ? ` by ${outcome.module} (modules[${outcome.index}]) in ${outcome.callback}` : "";
  const code = outcome.value?.code ? `: ${outcome.value.code}` : "";
  return `${names[outcome.kind] ?? outcome.kind}${by}${code}`;
}

// Fills `place` with an explanation.
export function showExplanation(place, explanation) {
  const callbacks = explanation.callbacks ?? [];
  const asked = callbacks.flatMap((one) => one.modules).filter((module) => module.ns !== undefined);
  const slowest = Math.max(1, ...asked.map(timeOf));
  const total = asked.reduce((sum, module) => sum + timeOf(module), 0);
  const { outcome, event } = explanation;
  place.replaceChildren(
    make("p", { class: `outcome ${KINDS[outcome?.kind] ?? "wait"}` }, outcome ? outcomeText(outcome) : "No outcome"),
    make("p", { class: "hint" }, `${asked.length} answers in ${nanoseconds(total)}`,
      event?.bytes ? `, ${event.bytes} bytes of event` : "", explanation.reason ? `; ${explanation.reason}` : ""),
    ...callbacks.map((one) => callback(one, slowest, event?.bytes)),
    explanation.after ? details("After the edits", explanation.after) : "",
    details("All of it as JSON", explanation));
}

function details(title, value) {
  const text = make("pre", { tabindex: "0" });
  const made = make("details", {}, make("summary", {}, title), text);
  made.addEventListener("toggle", () => { text.textContent = made.open ? JSON.stringify(value, null, 2) : ""; });
  return made;
}
