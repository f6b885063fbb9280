/* dashboard.js: the page for operators, which hearthd serves at GET /. It shows what the functions
 * do and changes them, through /v1 and /metrics of the daemon that served it, and through nothing
 * else. There is no framework and no build step: this is the file that runs.
 *
 * Order: elements, texts, requests, streams, charts, dialogs, the state and its polling, then the
 * views (sign in, overview, function, deploy) and the router that shows one of them.
 *
 * Names, messages, logs and responses are of the users' making: they become text nodes, never HTML.
 */

const POLL_MS = 1500;
const POLL_MOST_MS = 15000; /* between two tries while the daemon does not answer */
const METRICS_MS = 5000; /* between two looks at the metrics, which are long */
const ADVICE_EACH_POLL = 6; /* functions whose advice the overview asks for at a time */
const GAP_MS = 10000; /* samples further apart are not compared */
const KEPT_SAMPLES = 160;
const KEPT_LINES = 1000;
const ANSWER_SHOWN = 65536; /* bytes of a response */
const REQUEST_MS = 15000;
const BUILD_MS = 180000;

const STARTER = `#include <hearth.h>

int
hearth_handle(hearth_call *call)
{
    const char *name = hearth_query(call, "name");
    return hearth_printf(call, "hello, %s\\n", name != NULL ? name : "world");
}
`;

/* ---- elements ---- */

const byId = (id) => document.getElementById(id);

/* The elements of a template, by their data-f. */
function stamp(id) {
    const root = document.createElement("div");
    const at = { root };
    root.append(byId(id).content.cloneNode(true));
    for (const element of root.querySelectorAll("[data-f]"))
        at[element.dataset.f] = element;
    return at;
}

function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className)
        element.className = className;
    element.append(...children);
    return element;
}

function button(text, className, onClick) {
    const element = make("button", className, text);
    element.type = "button";
    element.addEventListener("click", onClick);
    return element;
}

/* Leaves the element alone if nothing changes, so that selections and focus survive a poll. */
function setText(element, text) {
    if (element.textContent !== String(text))
        element.textContent = text;
}

function setClass(element, className) {
    if (element.className !== className)
        element.className = className;
}

/* Makes the rows of a table those of the items: keeps the row of each key, in the items' order. */
function setRows(body, items, keyOf, create, update) {
    const rows = (body.rowsByKey ??= new Map());
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const left = new Set(rows.keys());
    items.forEach((item, i) => {
        const key = keyOf(item);
        let row = rows.get(key);
        if (!row) {
            row = create(item);
            rows.set(key, row);
        }
        left.delete(key);
        if (body.children[i] !== row)
            body.insertBefore(row, body.children[i] ?? null);
        update(row, item);
    });
    for (const key of left) {
        rows.get(key).remove();
        rows.delete(key);
    }
    if (focused && focused !== document.activeElement)
        focused.focus();
}

/* A row of cells, each with the class of its column. */
function makeRow(classes) {
    const row = make("tr", "", ...classes.map((className) => make("td", className)));
    row.at = [...row.children];
    return row;
}

function makeSvg(className) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", className);
    svg.setAttribute("role", "img");
    return svg;
}

/* Small labels such as "3 idle". */
function setChips(element, texts, className = "") {
    const now = texts.join("\n");
    if (element.chips === now)
        return;
    element.chips = now;
    element.replaceChildren(...texts.map((text) => make("span", `chip ${className}`, text)));
}

/* A list of facts: pairs of a name and a text. */
function setFacts(list, pairs) {
    const now = JSON.stringify(pairs);
    if (list.facts === now)
        return;
    list.facts = now;
    list.replaceChildren(...pairs.map(([name, text]) =>
        make("div", "", make("dt", "", name), make("dd", "", text))));
}

/* ---- texts ---- */

const whole = new Intl.NumberFormat("en");
const NONE = "–";

/* Three digits at least: 0.213, 9.41, 64, 1,024. */
function digits(number) {
    const size = Math.abs(number);
    if (Number.isInteger(number) || size >= 100)
        return whole.format(Math.round(number));
    return String(Number(number.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0, size = n;
    if (n == null)
        return NONE;
    while (Math.abs(size) >= 1023.5 && unit < units.length - 1) {
        size /= 1024;
        unit++;
    }
    return `${Number(size.toFixed(Math.abs(size) < 100 && unit > 0 ? 1 : 0))} ${units[unit]}`;
}

function milliseconds(ms) {
    if (ms == null)
        return NONE;
    return ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`;
}

function duration(ms) {
    const seconds = Math.floor(ms / 1000);
    const two = (size, unit, small, part) => `${Math.floor(seconds / size)} ${unit}` +
        (seconds % size >= small ? ` ${Math.floor(seconds % size / small)} ${part}` : "");
    return seconds >= 86400 ? two(86400, "d", 3600, "h") : seconds >= 3600 ? two(3600, "h", 60, "min")
        : seconds >= 60 ? two(60, "min", 1, "s") : `${seconds} s`;
}

const percent = (share) => `${digits(Math.round(share * 1000) / 10)} %`;
const rate = (perSecond) => (perSecond == null ? NONE : perSecond === 0 ? "0" : perSecond.toFixed(1));
const plural = (n, word) => `${whole.format(n)} ${word}${n === 1 ? "" : "s"}`;
const time = (value) => new Date(value).toLocaleTimeString("en-GB") +
    "." + String(new Date(value).getMilliseconds()).padStart(3, "0");
const dateTime = (value) => new Date(value).toLocaleString("sv-SE");
const spaced = (word) => word.replaceAll("_", " ");
const sum = (object) => Object.values(object ?? {}).reduce((all, n) => all + n, 0);
const counts = (object) => Object.entries(object ?? {}).filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1]);

const SIZES = new Set(["memory", "memory_min", "memory_max", "max_body", "max_response", "tmp", "stack"]);
const TIMES = new Set(["timeout", "idle_timeout", "queue_timeout"]);

function settingText(name, value) {
    if (typeof value === "number" && SIZES.has(name))
        return bytes(value);
    if (typeof value === "number" && TIMES.has(name))
        return milliseconds(value);
    return typeof value === "string" ? value : value === null ? "none" : JSON.stringify(value);
}

/* ---- requests ---- */

/* The token is held here. The session's storage has it, too, but only if no function is served at
 * this address: else the page of a function could read it there. */
const session = { token: null, shared: true };

class Problem extends Error {
    constructor(status, body) {
        super(body.detail || body.title || `status ${status}`);
        this.status = status;
        this.body = body;
    }
}

async function problemOf(response) {
    const text = await response.text();
    try {
        return new Problem(response.status, JSON.parse(text));
    } catch {
        return new Problem(response.status, { title: `status ${response.status}`, detail: text.slice(0, 500) });
    }
}

/* A request to the daemon. Throws a Problem if it is refused, another error if none answers. */
async function ask(path, { method = "GET", body, type, signal } = {}) {
    const headers = {};
    const used = session.token;
    if (used)
        headers.Authorization = `Bearer ${used}`;
    if (type)
        headers["Content-Type"] = type;
    const response = await fetch(path, {
        method, headers, body, signal: signal ?? AbortSignal.timeout(REQUEST_MS),
        cache: "no-store", credentials: "omit", redirect: "error",
    });
    if (response.ok)
        return response;
    const problem = await problemOf(response);
    if (response.status === 401 && used === session.token)
        signOut(used ? "The token was refused." : "");
    throw problem;
}

const askJson = async (path, options) => (await ask(path, options)).json();
const sendJson = (method, path, body) =>
    askJson(path, { method, body: JSON.stringify(body), type: "application/json" });
const functionPath = (name, part = "") => `/v1/functions/${encodeURIComponent(name)}${part}`;

/* Samples of the metrics whose labels have this function: "name" or "name{le=…}" to number. */
async function askMetrics(name) {
    const samples = new Map();
    for (const line of (await (await ask("/metrics")).text()).split("\n")) {
        const match = /^(\w+)\{function="([^"]*)"(?:,le="([^"]*)")?\} (\S+)$/.exec(line);
        if (match && match[2] === name)
            samples.set(match[3] ? `${match[1]} ${match[3]}` : match[1], Number(match[4]));
    }
    return samples;
}

/* ---- streams ---- */

function wait(ms, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener("abort", () => {
            clearTimeout(timer);
            resolve();
        }, { once: true });
    });
}

/* Gives the lines of an answer that goes on, as objects, a chunk at a time. */
async function readLines(response, onLines) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done)
            return;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        onLines(lines.filter((line) => line !== "").map((line) => JSON.parse(line)));
    }
}

/* A list of lines that grows as they come, down to the newest one. */
class Feed {
    constructor({ list, state, pause }, path, toLine) {
        Object.assign(this, { list, state, path, toLine, held: [], paused: false, stop: null });
        this.onPause = () => {
            this.paused = !this.paused;
            setText(pause, this.paused ? "Go on" : "Pause");
            this.draw();
        };
        pause.addEventListener("click", this.onPause);
    }

    start() {
        if (this.stop)
            return;
        this.stop = new AbortController();
        this.follow(this.stop.signal);
    }

    /* Hidden pages do not follow: a browser has few connections to one host. */
    end() {
        this.stop?.abort();
        this.stop = null;
    }

    async follow(signal) {
        let delay = 1000;
        while (!signal.aborted) {
            try {
                const response = await ask(this.path, { signal });
                delay = 1000;
                this.held = [];
                this.list.replaceChildren();
                this.draw();
                await readLines(response, (lines) => this.take(lines));
            } catch (error) {
                if (signal.aborted)
                    return;
                if (error instanceof Problem && error.status < 500)
                    return this.end();
            }
            setText(this.state, "Interrupted; trying again.");
            await wait(delay, signal);
            delay = Math.min(2 * delay, POLL_MOST_MS);
        }
    }

    take(lines) {
        this.held = [...this.held, ...lines].slice(-KEPT_LINES);
        this.draw();
    }

    draw() {
        const { list } = this;
        const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
        if (!this.paused) {
            list.append(...this.held.map(this.toLine));
            this.held = [];
            while (list.childElementCount > KEPT_LINES)
                list.firstElementChild.remove();
            if (atEnd)
                list.scrollTop = list.scrollHeight;
        }
        setText(this.state, this.paused ? `Paused; ${plural(this.held.length, "line")} held back.`
            : list.childElementCount === 0 ? "Nothing yet." : "");
    }
}

function logLine(entry) {
    const level = ["error", "warning", "debug"].includes(entry.level) ? entry.level : "info";
    return make("div", level, make("time", "", time(entry.time)), " ",
        make("b", "", level.padEnd(7)), " ", make("span", "", entry.message ?? ""),
        entry.stream && entry.stream !== "log" ? make("i", "", ` ${entry.stream}`) : "");
}

function factText([name, value]) {
    if (name === "from" || name === "to")
        return `${name} ${bytes(value)}`;
    if (name === "took_ms")
        return `took ${milliseconds(value)}`;
    if (name === "reason")
        return spaced(value);
    return name === "calls" ? plural(value, "call")
        : `${spaced(name)} ${typeof value === "object" ? JSON.stringify(value) : value}`;
}

function eventLine(withName) {
    return ({ time: at, event, function: name, ...facts }) =>
        make("div", "", make("time", "", time(at)), " ",
            ...(withName ? [make("span", "who", name), " "] : []), make("b", "", spaced(event)),
            make("span", "", ` ${Object.entries(facts).map(factText).join(", ")}`));
}

/* ---- charts ---- */

function draw(svg, tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    svg.append(element);
    return element;
}

/* Begins a chart anew, unless it is the same as before. */
function redraw(svg, ...facts) {
    const now = facts.join(" ");
    if (svg.drawn === now)
        return false;
    svg.drawn = now;
    svg.replaceChildren();
    return true;
}

const share = (value, most) => (most > 0 ? Math.min(Math.max(value / most, 0), 1) : 0);
const place = (value, most) => `${(share(value, most) * 100).toFixed(2)}%`;

function label(svg, text) {
    svg.setAttribute("aria-label", text);
    draw(svg, "title", {}).textContent = text;
}

/* A bar of `value` in `most`, with marks: pairs of a class and a value. */
function drawBar(svg, text, value, most, marks) {
    const width = place(value, most);
    const at = marks.filter(([, mark]) => mark != null)
        .map(([className, mark]) => [className, place(mark, most)]);

    if (!redraw(svg, width, text, ...at))
        return;
    label(svg, text);
    draw(svg, "rect", { class: "back", width: "100%", height: "100%" });
    draw(svg, "rect", { class: share(value, most) > 0.9 ? "fill high" : "fill", width, height: "100%" });
    for (const [className, x] of at)
        draw(svg, "rect", { class: className, x, width: className === "advice" ? 3 : 2, height: "100%",
            transform: "translate(-2)" });
}

/* A line of values over time, the newest at the right; at least 40 of them fit. */
function drawLine(svg, text, values, most) {
    const known = values.map((value, i) => [i, value]).filter(([, value]) => value != null);
    const width = Math.max(40, values.length);
    const from = width - values.length;
    const y = (value) => (40 - share(value, most) * 37).toFixed(1);
    const points = known.map(([i, value]) => `${from + i + 1} ${y(value)}`);
    if (!redraw(svg, width, ...points))
        return;
    svg.setAttribute("viewBox", `0 0 ${width} 41`);
    svg.setAttribute("preserveAspectRatio", "none");
    label(svg, text);
    if (points.length < 2)
        return;
    draw(svg, "path", { class: "area", d: `M${from + known[0][0] + 1} 41L${points.join("L")}L${width} 41Z` });
    draw(svg, "path", { class: "stroke", d: `M${points.join("L")}`, "vector-effect": "non-scaling-stroke" });
}

/* Columns of counts by powers of two, with marks between them: a histogram of peaks.
 * buckets: pairs of an upper bound and a count, without empty ones at both ends. */
function drawColumns(svg, text, buckets, marks) {
    const most = Math.max(...buckets.map(([, count]) => count));
    const width = 100 / buckets.length;
    const first = Math.log2(buckets[0][0]) - 1;
    const at = marks.filter(([, value]) => value > 0)
        .map(([className, value]) => [className, (Math.log2(value) - first) * width]);

    if (!redraw(svg, ...buckets, ...at))
        return;
    label(svg, text);
    buckets.forEach(([bound, count], i) => {
        const height = share(count, most) * 84;
        const column = draw(svg, "rect", {
            class: "fill", x: `${i * width + 0.4}%`, width: `${width - 0.8}%`,
            y: `${100 - height}%`, height: `${count > 0 ? Math.max(height, 1.5) : 0}%`,
        });
        draw(column, "title", {}).textContent = `${bytes(bound / 2)} to ${bytes(bound)}: ${whole.format(count)}`;
    });
    for (const [className, x] of at)
        draw(svg, "rect", { class: className, x: `${Math.min(Math.max(x, 0), 99.4)}%`, width: 2, height: "100%" });
}

/* ---- dialogs and messages ---- */

/* Asks before something is changed. type: a word that has to be typed. */
function confirmed({ title, text, action, danger = false, type = null }) {
    const dialog = byId("ask");
    const form = dialog.querySelector("form");
    const submit = dialog.querySelector("[type=submit]");
    const typed = byId("ask-type");
    const input = typed.querySelector("input");
    setText(byId("ask-title"), title);
    setText(byId("ask-text"), text);
    setText(submit, action);
    setText(typed.querySelector("span"), type ? `Type ${type} to go on` : "");
    setClass(submit, danger ? "danger" : "primary");
    typed.hidden = type === null;
    input.value = "";
    submit.disabled = type !== null;
    input.oninput = () => { submit.disabled = type !== null && input.value !== type; };
    form.onsubmit = (event) => {
        event.preventDefault();
        dialog.close("yes");
    };
    form.querySelector("[type=button]").onclick = () => dialog.close("");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.onclose = () => resolve(dialog.returnValue === "yes");
    });
}

function say(text, bad = false) {
    const message = make("div", bad ? "message bad" : "message", make("span", "", text));
    message.append(button("Close", "quiet", () => message.remove()));
    byId("messages").append(message);
    while (byId("messages").childElementCount > 3)
        byId("messages").firstElementChild.remove();
    if (!bad)
        setTimeout(() => message.remove(), 8000);
}

const errorText = (error) => (error instanceof Problem ? problemText(error) : "The daemon does not answer.");

function problemText({ body, message }) {
    const allowed = body.allowed && !message.includes(body.allowed) ? ` Allowed: ${body.allowed}.` : "";
    return `${body.title ? `${body.title}: ` : ""}${message}${allowed}`;
}

/* Runs a change that a button began; says what became of it. */
async function change(control, work) {
    control.disabled = true;
    try {
        say(await work());
        poll.soon();
    } catch (error) {
        say(errorText(error), true);
    } finally {
        control.disabled = false;
    }
}

/* ---- the state and its polling ---- */

/* functions: name to { data, sample, rate, history, memory, metrics }. sort: a column; "-" before it
 * is largest first. */
const state = { host: null, functions: new Map(), sort: "name" };

/* Rates follow from the counters of two polls. */
function takeFunctions(list, now) {
    const old = state.functions;
    state.functions = new Map(list.map((data) => {
        const entry = old.get(data.name) ?? { history: [], memory: null, memoryAt: 0 };
        const { sample: before } = entry;
        const known = before && data.calls >= before.calls && now - before.at < GAP_MS;
        entry.data = data;
        entry.sample = { at: now, calls: data.calls };
        entry.rate = known ? (data.calls - before.calls) / ((now - before.at) / 1000) : null;
        entry.history.push({ rate: entry.rate, now: data.memory.now, p50: data.latency?.p50 ?? null });
        entry.history.splice(0, entry.history.length - KEPT_SAMPLES);
        return [data.name, entry];
    }));
}

/* Looks at the daemon again and again, as long as the page is seen. */
const poll = {
    timer: 0,
    delay: POLL_MS,
    running: false,

    soon() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.look(), 0);
    },
    stop() {
        clearTimeout(this.timer);
    },
    async look() {
        if (this.running || document.hidden || !view?.load)
            return;
        this.running = true;
        const asked = view;
        const began = performance.now();
        try {
            const [functions, host] = await Promise.all([askJson("/v1/functions"), askJson("/v1/host")]);
            if (asked !== view)
                return;
            state.host = host;
            takeFunctions(functions.functions, performance.now());
            await asked.load();
            this.delay = Math.max(POLL_MS, 5 * (performance.now() - began)); /* a slow daemon is left alone */
            drawFrame(null);
            if (asked === view)
                view.draw();
        } catch (error) {
            this.delay = Math.min(this.delay * 2, POLL_MOST_MS);
            if (view?.load)
                drawFrame(error);
        } finally {
            this.running = false;
            clearTimeout(this.timer);
            if (view?.load)
                this.timer = setTimeout(() => this.look(), asked === view ? this.delay : 0);
        }
    },
};

/* What stands around every view. error: of the last poll, or null. */
function drawFrame(error) {
    const insecure = state.host?.insecure ?? [];
    const banner = byId("banner");
    byId("listener-note").hidden = !state.host?.shared_listener;
    byId("insecure").hidden = insecure.length === 0;
    setText(byId("insecure"), `This daemon runs without these walls: ${insecure.join(", ")}.`);
    setText(byId("where"), state.host ? state.host.host : "");
    banner.hidden = error === null;
    if (error !== null)
        setText(banner.querySelector("span"), `${errorText(error)} What is shown may be old. ` +
            `The next try is in ${milliseconds(poll.delay)}.`);
}

/* ---- view: sign in ---- */

const STORED = "hearth-token";

function signInView(text) {
    const at = stamp("t-sign-in");
    const input = at.root.querySelector("input");
    at.problem.hidden = text === "";
    setText(at.problem, text);
    at.form.addEventListener("submit", (event) => {
        event.preventDefault();
        at.root.querySelector("button").disabled = true;
        enter(input.value.replace(/[^!-~]/g, "")); /* what no token has, and no header could carry */
    });
    return { root: at.root, title: "Sign in", focus: () => input.focus() };
}

/* Tries a token; "" for none: a daemon may want none. */
async function enter(token) {
    session.token = token || null;
    try {
        state.host = await askJson("/v1/host");
    } catch (error) {
        if (error.status === 403)
            byId("main").replaceChildren(make("h1", "", "The daemon refuses this page"),
                make("p", "problem", problemText(error)));
        else if (error.status !== 401)
            signOut(errorText(error));
        return;
    }
    session.shared = state.host.shared_listener !== false;
    if (token && !session.shared)
        sessionStorage.setItem(STORED, token);
    else
        sessionStorage.removeItem(STORED);
    byId("pages").hidden = false;
    byId("sign-out").hidden = !token;
    drawFrame(null);
    route();
}

function signOut(text) {
    session.token = null;
    sessionStorage.removeItem(STORED);
    state.host = null;
    state.functions.clear();
    poll.stop();
    byId("pages").hidden = true;
    byId("sign-out").hidden = true;
    drawFrame(null);
    show(signInView(text));
}

/* ---- view: overview ---- */

const FINDINGS = { over_provisioned: "too large", under_provisioned: "too small", optimized: "fits",
    insufficient_data: "few calls" };

/* Largest first, except for names. A value that is not known comes last. */
const SORTS = {
    name: (a, b) => (a.data.name < b.data.name ? -1 : 1),
    version: (a) => a.data.version,
    share: (a) => perInstance(a) / a.data.memory.limit,
    limit: (a) => a.data.memory.limit,
    advice: (a) => a.memory?.advice.memory,
    rate: (a) => a.rate,
    p50: (a) => a.data.latency?.p50,
    p99: (a) => a.data.latency?.p99,
    calls: (a) => a.data.calls,
    errors: (a) => sum(a.data.errors),
    instances: (a) => a.data.instances.total,
    waiting: (a) => a.data.waiting,
};

const perInstance = ({ data }) => data.memory.now / Math.max(data.instances.total, 1);
const statesOf = ({ total, ...states }) => counts(states).map(([name, n]) => `${n} ${name}`);

function sorted(entries) {
    const [, down, key] = /^(-?)(.*)$/.exec(state.sort);
    const value = SORTS[key];
    const compare = key === "name" ? value
        : (a, b) => (value(a) ?? -1) - (value(b) ?? -1) || SORTS.name(a, b);
    entries.sort(SORTS.name).sort(compare);
    return down ? entries.reverse() : entries;
}

function makeSortable(table, onSort) {
    const heads = [...table.querySelectorAll("th[data-sort]")];
    const mark = () => heads.forEach((head) => {
        const { sort } = head.dataset;
        head.setAttribute("aria-sort", state.sort === sort ? "ascending"
            : state.sort === `-${sort}` ? "descending" : "none");
    });

    for (const head of heads) {
        const { sort } = head.dataset;
        const text = head.textContent;
        head.replaceChildren(button(text, "sort", () => {
            const first = sort === "name" ? sort : `-${sort}`;
            const second = sort === "name" ? `-${sort}` : sort;
            state.sort = state.sort === first ? second : first;
            mark();
            onSort();
        }));
    }
    mark();
}

function functionRow({ data }) {
    const row = makeRow(["name", "num extra", "barred", "num", "num", "num", "extra", "num", "num",
        "num extra", "chips", "chips", "num extra"]);
    const link = make("a", "", data.name);
    link.href = `#/function/${data.name}`;
    row.at[0].append(link);
    row.bar = makeSvg("bar");
    row.now = make("span", "muted");
    row.at[2].append(row.bar, row.now);
    row.line = makeSvg("spark");
    row.at[6].append(row.line);
    row.finding = make("span", "muted small");
    row.advice = make("span");
    row.at[4].append(row.advice, " ", row.finding);
    return row;
}

function updateFunctionRow(row, entry) {
    const { data } = entry;
    const advice = entry.memory?.advice;
    const now = perInstance(entry);
    const rates = entry.history.slice(-40).map((sample) => sample.rate);
    setText(row.at[1], data.version);
    drawBar(row.bar, `${bytes(now)} of ${bytes(data.memory.limit)} now, largest peak ${bytes(data.memory.peak)}` +
        (advice?.memory ? `, advice ${bytes(advice.memory)}` : ""), now, data.memory.limit,
        [["peak", data.memory.peak], ["advice", advice?.memory]]);
    setText(row.now, data.instances.total > 0 ? bytes(now) : "none runs");
    setText(row.at[3], data.settings.memory === "auto" ? `${bytes(data.memory.limit)} auto` : bytes(data.memory.limit));
    setText(row.advice, bytes(advice?.memory));
    setText(row.finding, advice ? FINDINGS[advice.finding] ?? advice.finding : "");
    setClass(row.finding, advice?.finding === "under_provisioned" ? "small bad" : "small muted");
    setText(row.at[5], rate(entry.rate));
    drawLine(row.line, "calls per second over time", rates, Math.max(1, ...rates));
    setText(row.at[7], milliseconds(data.latency?.p50));
    setText(row.at[8], milliseconds(data.latency?.p99));
    setText(row.at[9], whole.format(data.calls));
    setChips(row.at[10], counts(data.errors).map(([code, n]) => `${whole.format(n)} ${code}`), "bad");
    setChips(row.at[11], statesOf(data.instances));
    setText(row.at[12], data.waiting);
}

/* Asks for the memory of those functions whose answer is the oldest, a few at a time. */
async function loadSomeMemory() {
    const oldest = [...state.functions.values()].sort((a, b) => a.memoryAt - b.memoryAt);
    await Promise.all(oldest.slice(0, ADVICE_EACH_POLL).map(async (entry) => {
        try {
            entry.memory = await askJson(functionPath(entry.data.name, "/memory"));
        } catch (error) {
            if (!(error instanceof Problem && error.status === 404)) /* deleted meanwhile */
                throw error;
        }
        entry.memoryAt = performance.now();
    }));
}

function drawHost(at, entries) {
    const { host } = state;
    const used = entries.reduce((all, { data }) => all + data.memory.now, 0);
    const rates = entries.map((entry) => entry.rate).filter((value) => value != null);
    const { pressure } = host;
    setText(at.budget, `${bytes(host.memory.reserved)} of ${bytes(host.memory.budget)} reserved`);
    setText(at.used, `${bytes(used)} used`);
    drawBar(at["budget-bar"], "budget for the limits of all instances: reserved, and used", host.memory.reserved,
        host.memory.budget, [["peak", used]]);
    setText(at.calls, `${rate(rates.reduce((all, n) => all + n, 0))}/s`);
    setText(at.instances, entries.reduce((all, { data }) => all + data.instances.total, 0));
    setText(at.pressure, pressure ? percent(pressure.some) : "not known");
    setText(at["pressure-all"], pressure ? `all tasks: ${percent(pressure.all)}` : "");
    setClass(at.pressure, pressure?.some >= 0.05 ? "bad" : "");
    setText(at.connections, whole.format(host.connections));
    setText(at.uptime, duration(host.uptime));
    setText(at.version, host.version);
    setText(at.cgroup, `cgroup ${host.cgroup}`);
    setChips(at.walls, host.walls);
}

function overviewView() {
    const at = stamp("t-overview");
    const events = new Feed({ list: at.events, state: at["events-state"], pause: at["events-pause"] },
        "/v1/events?follow=1&lines=100", eventLine(true));
    const drawAll = () => {
        const entries = sorted([...state.functions.values()]);
        drawHost(at, entries);
        setRows(at.table.tBodies[0], entries, ({ data }) => data.name, functionRow, updateFunctionRow);
        at.empty.hidden = entries.length > 0;
        events.start();
    };

    makeSortable(at.table, () => state.host && drawAll());
    return { root: at.root, title: "Functions", feeds: [events], load: loadSomeMemory, draw: drawAll };
}

/* ---- view: one function ---- */

function adviceText({ limit, calls, advice }, auto) {
    const said = advice.need == null ? ""
        : `${calls.count >= 1000 ? "99.9 % of" : "All of"} ${plural(calls.count, "call")} ` +
            `stayed within ${bytes(advice.need)}. `;
    const sure = advice.confidence === "none" ? "" : ` Confidence is ${advice.confidence}.`;
    if (advice.memory == null)
        return `There are too few calls for advice: ${whole.format(calls.count)} of 20 are measured.`;
    if (auto)
        return `${said}The limit follows the advice by itself (memory: auto). The advice is ${bytes(advice.memory)}.`;
    if (advice.finding === "optimized")
        return `${said}The limit of ${bytes(limit)} fits.${sure}`;
    if (advice.finding === "under_provisioned")
        return `${said}The limit of ${bytes(limit)} is too small: ${bytes(advice.memory)} is advised.${sure}`;
    return `${said}A limit of ${bytes(advice.memory)} is enough. It frees ${bytes(advice.saves)}.${sure}`;
}

/* A call that was killed has no peak, and so no part in the advice. */
const killedText = (count) => (count > 0 ? ` ${plural(count, "call")} ended for want of memory since the ` +
    "daemon’s start; what they needed is not known." : "");

/* The daemon's sentence, with its numbers of bytes as sizes. */
const readable = (reason) =>
    reason.replace(/\b(\d{5,})\b(?! calls)( bytes)?/g, (_, number) => bytes(Number(number)));

function memoryFacts({ overhead, leak, by_body: body, reclaimed }) {
    const facts = [["Before the first call", bytes(overhead)], ["Given back after bursts", bytes(reclaimed)]];
    facts.push(["Leak", leak.suspected
        ? `suspected: ${bytes(leak.bytes_per_call)} per call, since version ${leak.since_version}` : "none seen"]);
    if (body)
        facts.push(["Follows the body", `${bytes(body.base)} and ${digits(body.per_byte)} times its length; ` +
            `the limit can take a body of ${bytes(body.largest_body)}`]);
    return facts;
}

function drawLadder(body, { limit, calls, advice }) {
    const rows = [["50 %", calls.p50], ["95 %", calls.p95], ["99 %", calls.p99], ["99.9 %", calls.p999],
        ["all", calls.max]];
    const most = 1.04 * Math.max(limit, calls.max ?? 0, advice.memory ?? 0);
    setRows(body, rows, ([name]) => name, ([name]) => {
        const row = makeRow(["", "barred", "num"]);
        row.at[0].append(name);
        row.bar = makeSvg("bar");
        row.at[1].append(row.bar);
        return row;
    }, (row, [name, value]) => {
        setText(row.at[2], bytes(value));
        drawBar(row.bar, `${name} of the calls stayed within ${bytes(value)}`, value ?? 0, most,
            [["limit", limit], ["advice", advice.memory]]);
    });
}

/* Pairs of a bound and a count. A bucket of the metric counts those below it as well. */
function peaksOf(metrics) {
    const prefix = "hearth_call_memory_bytes_bucket ";
    const buckets = [...metrics].filter(([name]) => name.startsWith(prefix) && !name.endsWith("+Inf"))
        .map(([name, count]) => [Number(name.slice(prefix.length)), count]);
    return buckets.map(([bound, count], i) => [bound, count - (i > 0 ? buckets[i - 1][1] : 0)]);
}

function drawPeaks(at, metrics, { limit, advice }) {
    const buckets = peaksOf(metrics);
    const used = buckets.map(([, count], i) => (count > 0 ? i : -1)).filter((i) => i >= 0);
    at.peaks.hidden = used.length === 0;
    if (used.length === 0)
        return;
    const last = buckets.findIndex(([bound]) => bound >= Math.max(limit, advice.memory ?? 0));
    const shown = buckets.slice(Math.max(used[0] - 1, 0),
        Math.max(used[used.length - 1], last < 0 ? buckets.length - 1 : last) + 1);

    drawColumns(at["peaks-columns"], "peaks of calls by size, in powers of two", shown,
        [["limit", limit], ["advice", advice.memory]]);
    const each = Math.ceil(shown.length / 6);
    at["peaks-axis"].replaceChildren(...shown.map(([bound], i) =>
        make("span", "", (shown.length - 1 - i) % each === 0 ? bytes(bound) : "")));
}

function drawMemory(at, entry) {
    const { memory, data } = entry;
    const { advice, calls } = memory;
    const auto = data.settings.memory === "auto";
    const useful = advice.memory != null && advice.memory !== memory.limit && !auto &&
        ["over_provisioned", "under_provisioned"].includes(advice.finding);
    setText(at.advice, adviceText(memory, auto) + killedText(data.errors.memory_exceeded));
    setText(at.reason, advice.memory != null ? readable(advice.reason) : "");
    at.apply.hidden = !useful;
    setText(at.apply, `Set the limit to ${bytes(advice.memory)}`);
    setText(at.measured, calls.count > 0 ? `${plural(calls.count, "call")} since ${dateTime(calls.since)}` : "");
    drawLadder(at.ladder, memory);
    setFacts(at["memory-facts"], memoryFacts(memory));
    setChips(at.ends, counts(memory.ends).length > 0
        ? counts(memory.ends).map(([reason, n]) => `${whole.format(n)} ${reason}`) : ["none has ended"]);
}

function instanceRow() {
    const row = makeRow(["num", "", "num", "num", "num", "barred", "num", "num", "num"]);
    row.bar = makeSvg("bar");
    row.at[5].append(row.bar);
    return row;
}

function updateInstanceRow(row, i) {
    const texts = [i.id, i.state, i.version, duration(i.age), whole.format(i.calls), null, bytes(i.memory),
        bytes(i.memory_peak), milliseconds(i.cpu)];

    texts.forEach((text, n) => text !== null && setText(row.at[n], text));
    drawBar(row.bar, `${bytes(i.memory)} of ${bytes(i.memory_limit)}`, i.memory, i.memory_limit,
        [["peak", i.memory_peak]]);
}

/* Means of the time between the last two looks at the metrics. */
function meanOf(entry, name) {
    const [now, before] = entry.metrics ?? [];
    const delta = (part) => (now?.get(name + part) ?? 0) - (before?.get(name + part) ?? 0);
    return delta("_count") > 0 ? delta("_sum") / delta("_count") * 1000 : null;
}

function drawFigures(at, entry) {
    const { data, history } = entry;
    const most = (key) => Math.max(0, ...history.map((sample) => sample[key] ?? 0));
    const errors = counts(data.errors).map(([code, n]) => `${whole.format(n)} ${code}`);
    const refused = counts(data.refused).map(([call, n]) => `${whole.format(n)} ${call} refused`);
    setText(at.version, `version ${data.version}`);
    setText(at.rate, rate(entry.rate));
    setText(at.p50, milliseconds(data.latency?.p50));
    setText(at.p99, milliseconds(data.latency?.p99));
    setText(at.run, milliseconds(meanOf(entry, "hearth_call_run_seconds")));
    setText(at.queue, milliseconds(meanOf(entry, "hearth_call_queue_seconds")));
    setText(at.cold, whole.format(entry.metrics?.[0]?.get("hearth_call_cold_seconds_count") ?? 0));
    setText(at.calls, whole.format(data.calls));
    setText(at.waiting, data.waiting);
    setText(at.now, bytes(data.memory.now));
    setText(at.peak, bytes(data.memory.peak));
    setText(at.limit, bytes(data.memory.limit));
    setChips(at.errors, [...errors, ...refused, ...(errors.length + refused.length > 0 ? [] : ["none"])],
        errors.length > 0 ? "bad" : "");
    for (const [key, text, unit] of [["now", "memory of all instances", bytes], ["rate", "calls per second", rate],
        ["p50", "median time of a call", milliseconds]]) {
        drawLine(at[`${key}-line`], `${text} over time, at most ${unit(most(key))}`,
            history.map((sample) => sample[key]), most(key));
        setText(at[`${key}-most`], `at most ${unit(most(key))}`);
    }
}

function functionView(name) {
    const at = stamp("t-function");
    const feed = (part, path, toLine) =>
        new Feed({ list: at[part], state: at[`${part}-state`], pause: at[`${part}-pause`] }, path, toLine);
    const view = {
        root: at.root, title: name, parts: null,
        feeds: [feed("logs", functionPath(name, "/logs?follow=1&lines=500"), logLine),
            feed("events", `/v1/events?follow=1&function=${encodeURIComponent(name)}`, eventLine(false))],
    };

    setText(at.name, name);
    at.redeploy.href = `#/deploy/${name}`;
    view.load = async () => {
        const entry = state.functions.get(name);
        if (!entry)
            return;
        const [memory, instances, versions] = await Promise.all(
            ["/memory", "/instances", "/versions"].map((part) => askJson(functionPath(name, part))));
        entry.memory = memory;
        if (performance.now() - (entry.metricsAt ?? -Infinity) > METRICS_MS) {
            entry.metrics = [await askMetrics(name), entry.metrics?.[0]];
            entry.metricsAt = performance.now();
        }
        view.parts = { ...instances, ...versions };
    };
    view.draw = () => {
        const entry = state.functions.get(name);
        at.missing.hidden = Boolean(entry);
        at.body.hidden = !entry;
        at.delete.disabled = !entry;
        if (!entry || !view.parts)
            return;
        drawFigures(at, entry);
        drawMemory(at, entry);
        drawPeaks(at, entry.metrics[0], entry.memory);
        drawInstances(at, entry.data, view.parts.instances);
        drawVersions(at, name, view.parts.versions);
        drawSettings(at, entry.data.settings);
        at.call.hidden = !session.shared;
        at["call-elsewhere"].hidden = session.shared;
        view.feeds.forEach((feed) => feed.start());
    };
    at.apply.addEventListener("click", () => applyAdvice(at.apply, name));
    at.delete.addEventListener("click", () => remove(at.delete, name));
    setText(at["call-command"], `hearth call ${name}`);
    prepareCall(at, name);
    prepareSettings(at, name);
    return view;
}

function drawInstances(at, data, instances) {
    setRows(at.instances, instances, ({ id }) => id, instanceRow, updateInstanceRow);
    at["no-instances"].hidden = instances.length > 0;
    setText(at.states, statesOf(data.instances).join(", "));
}

function drawVersions(at, name, versions) {
    const newestFirst = [...versions].sort((a, b) => b.version - a.version);
    setRows(at.versions, newestFirst, (v) => v.version, (v) => {
        const row = makeRow(["num", "", "num", "action"]);
        row.live = make("span", "chip good", "live");
        row.back = button("Roll back", "quiet", () => rollBack(row.back, name, v.version));
        row.back.setAttribute("aria-label", `Roll back to version ${v.version}`);
        setText(row.at[0], v.version);
        setText(row.at[1], dateTime(v.created));
        setText(row.at[2], bytes(v.bytes));
        row.at[3].append(row.live, row.back);
        return row;
    }, (row, v) => {
        row.live.hidden = !v.live;
        row.back.hidden = v.live;
    });
}

function appliedText({ applied }) {
    const { memory } = applied;
    return memory == null || typeof memory !== "object" ? ""
        : ` ${plural(memory.instances, "running instance")} changed at once, ` +
            `${memory.after_their_call} after their call, ${memory.replaced_after_their_call} replaced.`;
}

/* Asks first. */
async function changeIfSure(control, question, work) {
    if (await confirmed(question))
        await change(control, work);
}

function applyAdvice(control, name) {
    const { limit, advice } = state.functions.get(name).memory;
    changeIfSure(control, {
        title: "Change the memory limit?",
        text: `The limit of ${name} changes from ${bytes(limit)} to ${bytes(advice.memory)}. ` +
            "Running instances get it between two calls; no call dies of it.",
        action: `Set ${bytes(advice.memory)}`,
    }, async () => {
        const answer = await sendJson("PATCH", functionPath(name), { memory: advice.memory });
        return `The limit of ${name} is ${bytes(advice.memory)}.${appliedText(answer)}`;
    });
}

function rollBack(control, name, version) {
    changeIfSure(control, {
        title: `Roll back to version ${version}?`,
        text: `Version ${version} of ${name} becomes the live one again, without a build. ` +
            "The settings stay as they are.",
        action: "Roll back",
    }, async () => {
        await sendJson("POST", functionPath(name, "/rollback"), { version });
        return `Version ${version} of ${name} is live.`;
    });
}

function remove(control, name) {
    changeIfSure(control, {
        title: `Delete ${name}?`, action: "Delete", danger: true, type: name,
        text: "All its versions, its settings and its log go. Running calls finish. This cannot be undone.",
    }, async () => {
        await ask(functionPath(name), { method: "DELETE" });
        location.hash = "#/";
        return `${name} is deleted.`;
    });
}

/* ---- view: one function: settings and calls ---- */

function drawSettings(at, settings) {
    const names = Object.keys(settings);
    const select = at["change-name"];
    setFacts(at.settings, names.map((name) => [name, settingText(name, settings[name])]));
    if (select.options.length === names.length)
        return;
    select.replaceChildren(...names.map((name) => make("option", "", name)));
    select.dispatchEvent(new Event("change"));
}

/* What is no JSON is a text: 32M, auto. */
function settingValue(text) {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}

function prepareSettings(at, name) {
    const select = at["change-name"];
    const input = at["change-value"];
    select.addEventListener("change", () => {
        const value = state.functions.get(name)?.data.settings[select.value];
        input.value = typeof value === "string" ? value : JSON.stringify(value) ?? "";
        if (typeof value === "number" && TIMES.has(select.value))
            input.value = `${value}ms`;
    });
    at.change.addEventListener("submit", async (event) => {
        event.preventDefault();
        const setting = select.value;
        const problem = at["change-problem"];
        problem.hidden = true;
        try {
            const answer = await sendJson("PATCH", functionPath(name), { [setting]: settingValue(input.value.trim()) });
            const { [setting]: reach } = answer.applied;
            say(`${setting} is ${settingText(setting, answer.settings[setting])}. It holds for ` +
                `${typeof reach === "string" ? reach : reach.reach}.${appliedText(answer)}`);
            poll.soon();
        } catch (error) {
            problem.hidden = false;
            setText(problem, errorText(error));
        }
    });
}

/* The first bytes of a body, as text. */
async function readSome(response) {
    const decoder = new TextDecoder();
    const reader = response.body?.getReader();
    let text = "", size = 0;
    while (reader && size < ANSWER_SHOWN) {
        const { value, done } = await reader.read();
        if (done)
            return text;
        size += value.length;
        text += decoder.decode(value, { stream: true });
    }
    reader?.cancel();
    return reader ? `${text}\n… cut after ${bytes(size)}` : text;
}

/* A call as any client makes it: the function never gets the token. */
async function callFunction(name, method, path, body) {
    const began = performance.now();
    const response = await fetch(`/function/${name}${path}`, {
        method, body: body !== "" && method !== "GET" && method !== "HEAD" ? body : undefined,
        headers: { "X-Hearth-Report": "memory" }, cache: "no-store", credentials: "omit", redirect: "manual",
    });
    const text = response.type === "opaqueredirect" ? "" : await readSome(response);
    const peak = response.headers.get("X-Memory-Peak");
    const facts = [response.type === "opaqueredirect" ? "a redirection, which is not followed"
        : `${response.status} ${response.statusText}`, milliseconds(Math.round((performance.now() - began) * 10) / 10)];
    if (response.headers.has("Server-Timing"))
        facts.push(response.headers.get("Server-Timing").replaceAll(";dur=", " "));
    if (peak)
        facts.push(`peak ${bytes(Number(peak))}`);
    return { ok: response.ok, facts: facts.join(" · "), text };
}

function prepareCall(at, name) {
    at.call.addEventListener("submit", async (event) => {
        event.preventDefault();
        const path = at["call-path"].value.trim();
        const status = at["call-status"];
        const answer = at["call-answer"];
        at["call-send"].disabled = true;
        setText(status, "Calling…");
        try {
            const reply = await callFunction(name, at["call-method"].value,
                path === "" || "/?".includes(path[0]) ? path : `/${path}`, at["call-body"].value);
            setText(status, reply.facts);
            setClass(status, reply.ok ? "" : "bad");
            setText(answer, reply.text);
            answer.hidden = false;
        } catch (error) {
            setText(status, `There was no answer: ${error.message}`);
            setClass(status, "bad");
            answer.hidden = true;
        } finally {
            at["call-send"].disabled = false;
        }
    });
}

/* ---- view: deploy ---- */

/* The source that was last edited for a function, by its name; "" for a new one. */
const drafts = new Map();

function deployView(name) {
    const at = stamp("t-deploy");
    at.name.value = name;
    at.source.value = drafts.get(name) ?? (name === "" ? STARTER : "");
    at.source.placeholder = `The new source of ${name}`;
    at.marked = new Map(); /* line to severity */
    at.source.addEventListener("input", () => {
        at.marked.clear();
        drafts.set(name, at.source.value);
        drawEditor(at);
    });
    at.source.addEventListener("scroll", () => placeEditor(at));
    at.form.addEventListener("submit", (event) => {
        event.preventDefault();
        deploy(at);
    });
    return { root: at.root, title: "Deploy", shown: () => drawEditor(at) };
}

function drawEditor(at) {
    const lines = at.source.value.split("\n").length;
    const numbers = Array.from({ length: lines }, (_, i) =>
        make("span", at.marked.get(i + 1) ?? "", `${i + 1}\n`));

    at.gutter.replaceChildren(...numbers);
    at.marks.replaceChildren(...[...at.marked].map(([line, severity]) => {
        const mark = make("div", severity);
        mark.style.setProperty("--line", line - 1);
        return mark;
    }));
    placeEditor(at);
}

/* The numbers and the marks go where the text is scrolled to. */
function placeEditor(at) {
    at.gutter.scrollTop = at.source.scrollTop;
    at.marks.style.setProperty("--top", `${-at.source.scrollTop}px`);
}

function goToLine(source, line, column) {
    const lines = source.value.split("\n");
    const from = lines.slice(0, line - 1).reduce((all, text) => all + text.length + 1, 0);
    const height = parseFloat(getComputedStyle(source).lineHeight);
    const at = Math.min(from + Math.max(column - 1, 0), from + (lines[line - 1] ?? "").length);
    source.focus();
    source.setSelectionRange(at, at);
    source.scrollTop = Math.max(0, (line - 4) * height);
}

const SEVERITIES = ["error", "warning", "note"];

function diagnosticItem(at, { file, line, column, severity, message, caret }) {
    const kind = SEVERITIES.includes(severity) ? severity : "note";
    const here = file === "function.c" && line > 0;
    const where = [file, line, column].filter((part) => part != null && part !== "").join(":");
    const text = [make("span", "where", where), " ", make("b", "", kind), " ", make("span", "", message ?? "")];
    const item = make("li", kind, here ? button("", "line", () => goToLine(at.source, line, column ?? 1))
        : make("p", "line"));
    item.firstChild.append(...text);
    if (caret)
        item.append(make("pre", "", caret));
    return item;
}

function showDiagnostics(at, list) {
    at.marked.clear();
    for (const { file, line, severity } of [...list].reverse())
        if (file === "function.c" && line > 0 && severity !== "note")
            at.marked.set(line, severity === "error" ? "error" : "warning");
    at.diagnostics.replaceChildren(...list.map((one) => diagnosticItem(at, one)));
    drawEditor(at);
}

function showDeployProblem(at, error) {
    at.problem.hidden = false;
    at.problem.replaceChildren(make("p", "", errorText(error)));
    if (error.body?.output)
        at.problem.append(make("pre", "", [error.body.output].flat().join("\n")));
    showDiagnostics(at, error.body?.diagnostics ?? []);
}

async function deploy(at) {
    const name = at.name.value;
    const settings = new URLSearchParams();
    for (const setting of ["memory", "timeout"])
        if (at[setting].value.trim() !== "")
            settings.set(setting, at[setting].value.trim());
    at.problem.hidden = true;
    at.send.disabled = true;
    setText(at.status, "Building…");
    try {
        const answer = await askJson(`${functionPath(name)}?${settings}`, {
            method: "PUT", body: at.source.value, type: "text/x-c", signal: AbortSignal.timeout(BUILD_MS),
        });
        const link = make("a", "", "Open it");
        drafts.delete("");
        drafts.set(name, at.source.value);
        link.href = `#/function/${name}`;
        at.status.replaceChildren(`Version ${answer.version} of ${name} is live. `, link);
        showDiagnostics(at, answer.diagnostics ?? []);
    } catch (error) {
        setText(at.status, "");
        showDeployProblem(at, error);
    } finally {
        at.send.disabled = false;
    }
}

/* ---- the router ---- */

let view = null;

function show(next) {
    const first = view === null;
    view?.feeds?.forEach((feed) => feed.end());
    view = next;
    byId("main").replaceChildren(next.root);
    document.title = `${next.title} – Hearth`;
    next.shown?.();
    if (next.focus)
        next.focus();
    else if (!first)
        byId("main").focus({ preventScroll: true });
    if (next.load)
        poll.soon();
    window.scrollTo(0, 0);
}

function route() {
    const [, page = "", name = ""] = location.hash.split("/");
    if (byId("pages").hidden)
        return; /* not signed in */
    for (const link of document.querySelectorAll("#pages a"))
        if (link.hash === `#/${page === "deploy" ? page : ""}`)
            link.setAttribute("aria-current", page === "function" ? "true" : "page");
        else
            link.removeAttribute("aria-current");
    show(page === "function" && name ? functionView(name)
        : page === "deploy" ? deployView(name) : overviewView());
}

function onVisibility() {
    if (document.hidden) {
        poll.stop();
        view?.feeds?.forEach((feed) => feed.end());
    } else if (view?.load) {
        poll.soon();
    }
}

window.addEventListener("hashchange", route);
document.addEventListener("visibilitychange", onVisibility);
byId("sign-out").addEventListener("click", () => {
    drafts.clear();
    signOut("");
});
document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); /* the hash names the view */
    byId("main").focus();
});
byId("retry").addEventListener("click", () => poll.soon());
enter(sessionStorage.getItem(STORED) ?? "");
