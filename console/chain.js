// The chain: what each module was asked, what it hit, what it costs, and the switch for its dry run.
import { post } from "./api.js";
import { announce, ask, byId, make, setAttribute, setText } from "./dom.js";
import { count, nanoseconds, share } from "./format.js";

let shown = "";
let lines = [];
let changed = () => {};

const costOf = (module) => (module.nanoseconds ?? 0) * module.asked;

function cell(name, className) {
  return make("td", { role: "cell", "data-name": name, class: className });
}

async function toggle(line) {
  const { module } = line;
  const to = !module.dry_run;
  const file = module.dry_run_configured ? "puts it into dry run" : "lets it decide";
  const yes = await ask(to ? `Put ${module.label} into dry run?` : `Let ${module.label} decide?`,
    `${to ? "From the next event on it is asked and its verdicts are recorded, but it refuses nothing."
      : "From the next event on what it refuses is refused."} That holds until the next reload or restart: the file ${file}.`,
    to ? "Dry run" : "Decide");
  if (!yes) return;
  line.button.disabled = true;
  try {
    await post("/v1/dry-run", { module: module.index, label: module.label, dry_run: to });
    announce(to ? `${module.label} is in dry run` : `${module.label} decides again`);
    setText(byId("chain-hint"), "");
  } catch (refusal) {
    setText(byId("chain-hint"), `${module.label} stays as it was: ${refusal.message}`);
    announce(byId("chain-hint").textContent);
  }
  line.button.disabled = false;
  line.button.focus();
  changed();
}

function makeLine(module) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  svg.setAttribute("viewBox", "0 0 100 4");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "time-bar");
  svg.setAttribute("aria-hidden", "true");
  rectangle.setAttribute("height", 4);
  svg.append(rectangle);
  const line = {
    module, rectangle,
    asked: cell("Asked", "number"), denied: cell("Denied", "number"), rate: cell("Hit rate", "number"),
    dry: cell("In dry run", "number"), cost: cell("An event", "number"), part: make("span"),
    state: make("span", { class: "switch-text" }),
  };
  line.button = make("button", { type: "button", role: "switch", class: "switch", "aria-label": `Dry run of ${module.label}`,
    on: { click: () => toggle(line) } }, make("span", { class: "knob" }));
  const share_ = cell("Share of the time", "share");
  share_.append(svg, line.part);
  const last = cell("Dry run", "switch-cell");
  last.append(line.button, line.state);
  line.row = make("tr", { role: "row" },
    make("th", { role: "rowheader", scope: "row" }, make("span", { class: "place" }, String(module.index)), " ",
      make("b", {}, module.label), make("small", {}, module.place ?? ""), make("small", {}, (module.callbacks ?? []).join(", "))),
    line.asked, line.denied, line.rate, line.dry, line.cost, share_, last);
  return line;
}

export function chainStart(whenChanged) {
  changed = whenChanged;
}

export function chainShow(status) {
  const modules = status.chain?.modules ?? [];
  const key = modules.map((module) => `${module.index} ${module.label} ${module.place}`).join("\n");
  if (key !== shown) {
    shown = key;
    lines = modules.map(makeLine);
    byId("chain").tBodies[0].replaceChildren(...lines.map((line) => line.row));
  }
  const whole = modules.reduce((sum, module) => sum + costOf(module), 0);
  modules.forEach((module, index) => {
    const line = lines[index];
    line.module = module;
    setText(line.asked, count(module.asked));
    setText(line.denied, count(module.denied));
    setText(line.rate, share(module.denied + module.dry_runs, module.asked));
    setText(line.dry, count(module.dry_runs));
    setText(line.cost, nanoseconds(module.nanoseconds ?? NaN));
    setText(line.part, whole ? `${Math.round((100 * costOf(module)) / whole)} %` : "–");
    setAttribute(line.rectangle, "width", whole ? ((100 * costOf(module)) / whole).toFixed(1) : 0);
    setAttribute(line.button, "aria-checked", module.dry_run);
    const differs = module.dry_run !== module.dry_run_configured;
    setText(line.state, `${module.dry_run ? "dry run" : "decides"}${differs ? ", not as in the file" : ""}`);
    setAttribute(line.row, "class", module.dry_run ? "trial" : "");
  });
}
