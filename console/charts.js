// The four pictures above everything: what the last ten minutes were like, from the polls of the status.
import { make, setAttribute, setText } from "./dom.js";
import { bytes, rate, seconds } from "./format.js";

const KEPT_MS = 600_000;
const SHOWN_AT_LEAST_MS = 60_000;
const WIDTH = 300;
const HEIGHT = 44;
const SVG = "http://www.w3.org/2000/svg";

// Each gauge: what it is called, how its figure is said, and the lines in it (the first decides about the figure).
const GAUGES = [
  { label: "Events a second", say: rate, series: ["events", "denied"], wide: true },
  { label: "Denied a second", say: rate, series: ["denied"], dry: true },
  { label: "Answers, p99", say: seconds, series: ["p99"] },
  { label: "Memory", say: bytes, series: ["memory"] },
];

const samples = [];
let before = null;
const drawn = [];

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function chartsStart(place) {
  for (const gauge of GAUGES) {
    const figure = make("p", { class: "figure" }, "–");
    const note = make("p", { class: "note" });
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    const lines = gauge.series.map((series) => {
      const area = svg("path", { class: `area ${series}` });
      const line = svg("path", { class: `line ${series}` });
      picture.append(area, line);
      return { series, area, line };
    });
    place.append(make("div", { class: gauge.wide ? "gauge first" : "gauge" },
      make("p", { class: "label" }, gauge.label), figure, note, picture));
    drawn.push({ ...gauge, figure, note, picture, lines });
  }
}

// Counts become rates between two polls; a process that began anew has nothing to be compared with.
export function chartsTake(status) {
  const now = { at: status.now, events: NaN, denied: NaN, dry: NaN, p99: status.requests?.p99, memory: status.memory?.resident };
  if (before && before.started === status.started && status.now > before.now) {
    const passed = (status.now - before.now) / 1000;
    now.events = (status.events.judged - before.events.judged) / passed;
    now.denied = (status.events.denied - before.events.denied) / passed;
    now.dry = (status.events.dry_run - before.events.dry_run) / passed;
    now.answers = ((status.requests?.answered ?? 0) - (before.requests?.answered ?? 0)) / passed;
  }
  before = status;
  samples.push(now);
  while (samples.length && samples[0].at < now.at - KEPT_MS) samples.shift();
  draw(now);
  return now;
}

// The path of a line; where nothing was polled for a while, it has a gap.
function pathOf(series, from, until, highest, close) {
  let path = "", last = null;
  const finish = () => { if (close && last) path += `L${last.x} ${HEIGHT}Z`; };
  for (const sample of samples) {
    const value = sample[series];
    if (!Number.isFinite(value)) continue;
    const x = Math.round(10 * (((sample.at - from) / (until - from)) * WIDTH)) / 10;
    const y = Math.round(10 * (HEIGHT - 2 - (value / highest) * (HEIGHT - 6))) / 10;
    const apart = !last || sample.at - last.at > 15_000;
    if (apart) {
      finish();
      path += close ? `M${x} ${HEIGHT}L${x} ${y}` : `M${x} ${y}`;
    } else {
      path += `L${x} ${y}`;
    }
    last = { x, at: sample.at };
  }
  finish();
  return path;
}

// A page that was opened just now shows a minute; the pictures grow to ten.
function draw(now) {
  const from = Math.min(samples[0].at, now.at - SHOWN_AT_LEAST_MS);
  for (const gauge of drawn) {
    const values = samples.map((sample) => sample[gauge.series[0]]).filter(Number.isFinite);
    const highest = values.length ? Math.max(...values) : 0;
    for (const { series, area, line } of gauge.lines) {
      area.setAttribute("d", pathOf(series, from, now.at, highest || 1, true));
      line.setAttribute("d", pathOf(series, from, now.at, highest || 1, false));
    }
    const said = gauge.say(now[gauge.series[0]]);
    setText(gauge.figure, said);
    const top = values.length ? `at most ${gauge.say(highest)}` : "";
    setText(gauge.note, gauge.dry && now.dry > 0 ? `and ${rate(now.dry)} in dry run` : top);
    setAttribute(gauge.picture, "aria-label", `${gauge.label}: ${said} now, ${top || "nothing yet"} in the last ten minutes`);
  }
}
