// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayAndClock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

export const NOTHING = "–";

export const count = (value) => (Number.isFinite(value) ? whole.format(value) : NOTHING);

export const short = (value) => (Number.isFinite(value) ? compact.format(value) : NOTHING);

export function rate(value) {
  if (!Number.isFinite(value)) return NOTHING;
  return value >= 100 || value === 0 ? short(Math.round(value)) : value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

export function seconds(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value === 0) return "0 s";
  if (value < 0.000001) return `${digits(value * 1e9)} ns`;
  if (value < 0.001) return `${digits(value * 1e6)} µs`;
  if (value < 1) return `${digits(value * 1e3)} ms`;
  return value < 120 ? `${digits(value)} s` : span(value);
}

export const nanoseconds = (value) => (Number.isFinite(value) ? seconds(value / 1e9) : NOTHING);

// A span of time in its two largest units.
export function span(value) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let rest = Math.max(0, Math.round(value));
  const said = [];
  for (const [size, name] of parts) {
    if (rest >= size && said.length < 2) {
      said.push(`${Math.floor(rest / size)} ${name}`);
      rest %= size;
    } else if (said.length) break;
  }
  return said.join(" ") || "0 s";
}

export function bytes(value) {
  if (!Number.isFinite(value)) return NOTHING;
  return value < 1 << 20 ? `${digits(value / 1024)} KiB` : value < 2 ** 30 ? `${digits(value / 2 ** 20)} MiB` : `${digits(value / 2 ** 30)} GiB`;
}

export function share(part, all) {
  if (!all) return NOTHING;
  const percent = (100 * part) / all;
  return percent === 0 ? "0 %" : percent < 0.01 ? "< 0.01 %" : `${percent >= 10 ? percent.toFixed(0) : percent.toFixed(2)} %`;
}

// Today's time of day; what is older has its day before it.
export function time(at) {
  const date = new Date(at);
  const said = clock.format(date);
  return date.toDateString() === new Date().toDateString() ? said : `${day.format(date)} ${said}`;
}

export const fullTime = (at) => dayAndClock.format(new Date(at));
