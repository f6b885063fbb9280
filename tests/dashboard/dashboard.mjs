/* dashboard.mjs: drives the dashboard in Chromium, against daemons of its own. Prints TAP.
 *
 * HEARTH_PREFIX         an installed tree (bin/hearthd); the daemon needs root
 * HEARTH_NODE_MODULES   where playwright-core is: a folder with node_modules, or that itself
 * HEARTH_CHROMIUM       the browser; /usr/bin/chromium
 * HEARTH_PATIENCE       factor of all deadlines, for slow machines
 * HEARTH_SCREENSHOT     a file to write a picture of the page to, with functions under load
 *
 * The tests run in order, in one session of one page: each begins where the one before ended.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import assert from "node:assert/strict";

const PATIENCE = Number(process.env.HEARTH_PATIENCE ?? 1);
const DEADLINE_MS = 15000 * PATIENCE;
const PREFIX = process.env.HEARTH_PREFIX ?? "/usr";
const modules = createRequire(`${resolve(process.env.HEARTH_NODE_MODULES ?? ".")}/`);
const { chromium } = modules("playwright-core");

/* Uses ?kb= KiB and gives them back; its log line is HTML. */
const TOUCH = `#include <hearth.h>
#include <stdlib.h>
#include <string.h>
int hearth_handle(hearth_call *c) {
    const char *kb = hearth_query(c, "kb");
    size_t n = kb ? strtoul(kb, 0, 10) * 1024 : 1024;
    char *p = malloc(n);
    if (!p) return 1;
    memset(p, 1, n);
    __asm__ volatile("" ::"r"(p) : "memory");
    free(p);
    hearth_log(c, HEARTH_WARNING, "<img src=x onerror=alert(1)> used %s KiB", kb ? kb : "1");
    return hearth_printf(c, "used %zu\\n", n);
}
`;

/* Says what it was given. */
const ECHO = `#include <hearth.h>
int hearth_handle(hearth_call *c) {
    const char *token = hearth_header(c, "Authorization"), *body = hearth_body(c, 0);
    hearth_status(c, 201);
    return hearth_printf(c, "%s %s, token %s, body %s <b>bold</b>", hearth_method(c), hearth_path(c),
                         token ? token : "none", body);
}
`;

const BROKEN = "#include <hearth.h>\nint hearth_handle(hearth_call *c)\n{\n    return nothing;\n}\n";

/* ---- daemons ---- */

async function until(what, condition, deadline = DEADLINE_MS) {
    for (const end = Date.now() + deadline; !await condition(); await new Promise((next) => setTimeout(next, 20)))
        if (Date.now() > end)
            throw new Error(`timeout: ${what}`);
}

const freePort = () => new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address();
        server.close(() => done(port));
    });
});

class Daemon {
    constructor(options) {
        this.options = options; /* of { admin: a listener of its own, noAuth } */
        this.state = mkdtempSync(join(tmpdir(), "hearth-dashboard-"));
        this.log = `${this.state}.log`;
    }

    async start() {
        const { admin, noAuth } = this.options;
        this.port ??= await freePort();
        this.adminPort ??= admin ? await freePort() : this.port;
        this.functions = `http://127.0.0.1:${this.port}/function/`;
        this.url = `http://127.0.0.1:${this.adminPort}`;
        const log = openSync(this.log, "a");
        const options = ["--listen", `127.0.0.1:${this.port}`, "--state", this.state,
            ...(admin ? ["--admin", `127.0.0.1:${this.adminPort}`] : []), ...(noAuth ? ["--no-auth"] : [])];
        this.process = spawn(`${PREFIX}/bin/hearthd`, options, { stdio: ["ignore", log, log] });
        closeSync(log);
        process.once("exit", () => this.process.kill("SIGTERM")); /* if the test is ended from outside */
        this.ended = new Promise((done) => this.process.once("exit", done).once("error", done));
        await until("a ready daemon", async () => {
            assert.equal(this.process.exitCode, null, "hearthd exited before it was ready");
            return fetch(`${this.url}/readyz`).then((r) => r.ok, () => false);
        });
        this.token = readFileSync(join(this.state, "token"), "utf8").trim();
    }

    async stop() {
        this.process?.kill("SIGTERM");
        await this.ended;
    }

    async remove() {
        await this.stop();
        rmSync(this.state, { recursive: true, force: true });
        rmSync(this.log, { force: true });
    }

    /* A request to /v1, with the token. */
    async api(path, { method = "GET", body, type = "application/json" } = {}) {
        const response = await fetch(`${this.url}/v1${path}`, {
            method, body, headers: { Authorization: `Bearer ${this.token}`, "Content-Type": type },
        });
        const text = await response.text();
        return { status: response.status, json: text.startsWith("{") ? JSON.parse(text) : null };
    }

    async deploy(name, body, query = "") {
        const { status } = await this.api(`/functions/${name}${query}`, { method: "PUT", body, type: "text/x-c" });
        assert.ok(status < 300, `deploy of ${name}: ${status}`);
    }

    async call(path) {
        const response = await fetch(this.functions + path);
        await response.arrayBuffer();
        return response.status;
    }
}

/* ---- the browser ---- */

const complaints = []; /* of all pages: what must not happen */
let browser;

async function openPage(daemon) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    context.setDefaultTimeout(DEADLINE_MS);
    context.on("console", (message) => {
        /* an answer that is no success is said by the browser itself, and is meant here */
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
            complaints.push(message.text());
    });
    context.on("weberror", (error) => complaints.push(String(error.error())));
    page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
    context.on("request", (request) => {
        const url = request.url();
        if ((!url.startsWith("data:") && new URL(url).origin !== daemon.url) || url.includes(daemon.token))
            complaints.push(`a request to ${url}`);
    });
    await page.goto(daemon.url);
    return page;
}

/* A page of a daemon that lives only for it. */
async function withDaemon(options, run) {
    const daemon = new Daemon(options);
    try {
        await daemon.start();
        const page = await openPage(daemon);
        await run(page, daemon);
        await page.context().close();
    } finally {
        await daemon.remove();
    }
}

async function signIn(page, token) {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
}

const signedIn = (page) => page.getByRole("button", { name: "Sign out" }).waitFor();
const go = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);
const field = (page, name) => page.locator(`main [data-f="${name}"]`);
const inDialog = (page, name) => page.locator("dialog").getByRole("button", { name });

const stored = (page, token) => page.evaluate((secret) => {
    const has = (storage) => Object.values({ ...storage }).some((value) => value.includes(secret));
    return { local: has(localStorage), session: has(sessionStorage), url: location.href.includes(secret) };
}, token);

/* A size such as "9.2 MiB", in bytes. */
async function sizeOf(locator) {
    const match = /([\d.]+) ([KMG]?)i?B/.exec(await locator.textContent());
    return match ? Number(match[1]) * 1024 ** " KMG".indexOf(match[2] || " ") : 0;
}

/* Presses Tab until the element has the focus; it is within reach of `most`. */
async function tabTo(page, locator, most = 40) {
    for (let i = 0; i < most; i++) {
        if (await locator.evaluate((element) => element === document.activeElement))
            return;
        await page.keyboard.press("Tab");
    }
    throw new Error("Tab does not reach the element");
}

async function fitsTheWindow(page, what) {
    const [needed, has] = await page.evaluate(() =>
        [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(needed <= has, `${what}: ${needed} pixels in a window of ${has}`);
}

/* ---- tests ---- */

const tests = [];
const test = (name, run) => tests.push({ name, run });
let daemon, page, latest;
const version = async () => (await daemon.api("/functions/touch")).json.version;

test("a wrong token is refused and asked for again", async () => {
    daemon = new Daemon({ admin: true });
    await daemon.start();
    page = await openPage(daemon);
    await signIn(page, "not-the-token");
    await page.getByText("The token was refused.").waitFor();
    await signIn(page, daemon.token);
    await signedIn(page);
    await page.getByText("No function is deployed.").waitFor();
});

test("the token is kept for the session of the tab only", async () => {
    assert.deepEqual(await stored(page, daemon.token), { local: false, session: true, url: false });
    await page.reload();
    await signedIn(page);
});

test("a function is deployed from the text field", async () => {
    await page.getByRole("navigation").getByText("Deploy").click();
    await page.getByLabel("Name").fill("touch");
    await page.getByLabel("Memory limit").fill("64M");
    await page.getByLabel("Source in C").fill(TOUCH);
    await page.getByRole("button", { name: "Deploy" }).click();
    await page.getByText("Version 1 of touch is live.").waitFor();
    assert.equal((await daemon.api("/functions/touch")).json.limits.memory, 64 * 1024 * 1024);
    assert.equal(await daemon.call("touch?kb=1"), 200);
});

test("an error of the compiler is shown at its line", async () => {
    await page.getByLabel("Source in C").fill(BROKEN);
    await page.getByRole("button", { name: "Deploy" }).click();
    const item = page.getByRole("button", { name: /function\.c:4:12 error .*nothing/ });
    await item.waitFor();
    assert.equal((await page.locator(".gutter .error").allTextContents()).join(), "4\n");
    await item.press("Enter");
    const at = await page.getByLabel("Source in C").evaluate((area) =>
        [area === document.activeElement, area.value.slice(0, area.selectionStart).split("\n").length]);
    assert.deepEqual(at, [true, 4]);
    assert.equal(await version(), 1);
});

test("a setting out of range is refused with what is allowed", async () => {
    await page.getByLabel("Memory limit").fill("1K");
    await page.getByRole("button", { name: "Deploy" }).click();
    await page.getByRole("alert").filter({ hasText: /memory.*4M/ }).waitFor();
    await page.getByLabel("Memory limit").fill("");
    await page.getByLabel("Source in C").fill(TOUCH.replace("used %zu", "has used %zu"));
    await page.getByRole("button", { name: "Deploy" }).click();
    await page.getByText(/^Version \d+ of touch is live/).waitFor();
    latest = await version();
});

test("the memory of calls is seen to rise", async () => {
    await go(page, "#/function/touch");
    await daemon.call("touch?kb=100");
    await until("a first peak", () => sizeOf(field(page, "peak")));
    const before = await sizeOf(field(page, "peak"));
    assert.equal(await daemon.call("touch?kb=9000"), 200);
    await until("a larger peak", async () => await sizeOf(field(page, "peak")) > before + 8000 * 1024);
    assert.ok(await field(page, "instances").locator("tr").count() > 0);
});

test("the advice is applied, once it is confirmed", async () => {
    for (let i = 0; i < 500; i++)
        assert.equal(await daemon.call(`touch?kb=${1000 + i % 7 * 100}`), 200);
    await field(page, "advice").filter({ hasText: "is enough" }).first().waitFor();
    const button = field(page, "apply");
    const limit = async () => (await daemon.api("/functions/touch")).json.limits.memory;
    await button.click();
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "hidden" });
    assert.equal(await limit(), 64 * 1024 * 1024);
    await button.click();
    await inDialog(page, /^Set/).click();
    await page.getByRole("status").filter({ hasText: /The limit of touch is/ }).first().waitFor();
    const { json } = await daemon.api("/functions/touch/memory");
    assert.equal(await limit(), json.advice.memory);
    assert.ok(await limit() < 16 * 1024 * 1024);
    await field(page, "advice").filter({ hasText: "fits" }).first().waitFor();
});

test("log lines appear as they are printed, and as text", async () => {
    for (const kb of [3001, 3002, 3003])
        await daemon.call(`touch?kb=${kb}`);
    await field(page, "logs").getByText("<img src=x onerror=alert(1)> used 3003 KiB").waitFor();
    const lines = await field(page, "logs").locator("span").allTextContents();
    assert.deepEqual(lines.slice(-3).map((line) => /\d+ KiB/.exec(line)[0]), ["3001 KiB", "3002 KiB", "3003 KiB"]);
    assert.equal(await page.locator(".feed img").count(), 0);
});

test("a paused log holds its lines back", async () => {
    await field(page, "logs-pause").click();
    await daemon.call("touch?kb=3004");
    await page.getByText("Paused; 1 line held back.").waitFor();
    assert.equal(await field(page, "logs").getByText("3004 KiB").count(), 0);
    await field(page, "logs-pause").click();
    await field(page, "logs").getByText("3004 KiB").waitFor();
});

test("a version is rolled back", async () => {
    await page.getByRole("button", { name: "Roll back to version 1" }).click();
    await inDialog(page, "Roll back").click();
    await page.getByText("Version 1 of touch is live.").waitFor();
    assert.equal(await version(), 1);
    await page.getByRole("button", { name: `Roll back to version ${latest}` }).waitFor();
});

test("a setting is changed, and the event appears as it happens", async () => {
    await page.getByLabel("Setting", { exact: true }).selectOption("timeout");
    await page.getByLabel("Value").fill("750ms");
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByText("timeout is 750 ms.").waitFor();
    assert.equal((await daemon.api("/functions/touch")).json.limits.timeout, 750);
    await field(page, "events").getByText('settings ["timeout"]').waitFor();
    await page.getByLabel("Value").fill("a while");
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("alert").filter({ hasText: "timeout" }).waitFor();
});

test("a function is deleted, once its name is typed", async () => {
    await page.getByRole("button", { name: "Delete" }).click();
    assert.equal(await inDialog(page, "Delete").isDisabled(), true);
    await page.locator("dialog").getByLabel("Type touch to go on").fill("touch");
    await page.keyboard.press("Enter");
    await page.getByText("No function is deployed.").waitFor();
    assert.equal((await daemon.api("/functions/touch")).status, 404);
});

test("the keyboard alone deploys a function and sorts the table", async () => {
    const { keyboard } = page;
    await page.locator(".brand").focus();
    await tabTo(page, page.getByRole("navigation").getByText("Deploy"));
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "Deploy" }).waitFor();
    await tabTo(page, page.getByLabel("Name"));
    await keyboard.type("keys");
    await tabTo(page, page.getByLabel("Source in C"));
    await keyboard.press("Tab"); /* leaves it */
    await tabTo(page, page.getByRole("button", { name: "Deploy" }), 2);
    await keyboard.press("Enter");
    await page.getByText("Version 1 of keys is live.").waitFor();
    assert.equal(await daemon.call("keys"), 200);

    await daemon.deploy("a-second", ECHO);
    await page.locator(".brand").focus();
    await keyboard.press("Enter");
    await page.getByRole("link", { name: "a-second" }).waitFor();
    await tabTo(page, page.getByRole("button", { name: "Function", exact: true }));
    await keyboard.press("Enter");
    assert.equal(await page.locator("th[data-sort=name]").getAttribute("aria-sort"), "descending");
    assert.deepEqual(await page.locator("td.name").allTextContents(), ["keys", "a-second"]);
    await tabTo(page, page.getByRole("link", { name: "keys" }));
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "keys" }).waitFor();
});

const VIEWS = [["#/", "td.name"], ["#/function/keys", ".ladder td"], ["#/deploy", "#source"]];

test("narrow windows need no horizontal scrolling, in light and in dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(Number(/\d+/.exec(back)[0]) < 128, colorScheme === "dark", back);
        for (const width of [360, 768, 1280]) {
            await page.setViewportSize({ width, height: 800 });
            for (const [hash, ready] of VIEWS) {
                await go(page, hash);
                await page.locator(`main ${ready}`).first().waitFor();
                await fitsTheWindow(page, `${hash} ${colorScheme}`);
            }
        }
    }
});

test("a daemon that does not answer is said, and found again", async () => {
    await go(page, "#/");
    await page.locator("td.name").first().waitFor();
    await daemon.stop();
    await page.getByText("The daemon does not answer.").waitFor();
    await daemon.start();
    await page.getByRole("button", { name: "Try now" }).click();
    await page.locator("#banner").waitFor({ state: "hidden" });
});

test("signing out forgets the token", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    assert.equal((await stored(page, daemon.token)).session, false);
    await page.context().close();
});

test("a browser is not asked for a token if the daemon wants none", () =>
    withDaemon({ admin: true, noAuth: true }, async (other) => {
        await other.getByText("No function is deployed.").waitFor();
        assert.equal(await other.getByRole("button", { name: "Sign out" }).isVisible(), false);
    }));

test("a page that the daemon refuses says why", () =>
    withDaemon({ admin: false, noAuth: true }, async (other) => {
        await other.getByText("The daemon refuses this page").waitFor();
        await other.getByText("Sec-Fetch-Site").waitFor();
    }));

test("on a shared listener the token is in no storage, and calls are made from the page", () =>
    withDaemon({ admin: false }, async (other, shared) => {
        await shared.deploy("echo", ECHO);
        await signIn(other, shared.token);
        await signedIn(other);
        await other.getByText("--admin").waitFor();
        assert.deepEqual(await stored(other, shared.token), { local: false, session: false, url: false });
        await go(other, "#/function/echo");
        await other.getByLabel("Method").selectOption("POST");
        await other.getByLabel("Path and query").fill("some/where");
        await other.getByLabel("Body").fill("text");
        await other.getByRole("button", { name: "Call", exact: true }).click();
        await field(other, "call-status").filter({ hasText: /^201 .* ms .*run .*peak/ }).waitFor();
        assert.equal(await field(other, "call-answer").textContent(),
            "POST /some/where, token none, body text <b>bold</b>");
        await other.reload();
        await other.getByLabel("Token").waitFor();
    }));

test("there were no errors, no violations of the policy, no requests elsewhere", () => {
    assert.deepEqual(complaints, []);
});

/* ---- the picture ---- */

async function takePicture(file) {
    const picture = await openPage(daemon);
    let over = false;
    for (const name of ["keys", "a-second"])
        await daemon.api(`/functions/${name}`, { method: "DELETE" });
    for (const name of ["checkout", "resize", "search", "thumbnail", "webhook"])
        await daemon.deploy(name, TOUCH, name === "resize" ? "?memory=16M" : "?memory=32M");
    const load = ["checkout?kb=700", "resize?kb=7000", "search?kb=3000", "thumbnail?kb=12000", "webhook?kb=90"]
        .map(async (path, i) => {
            for (let n = 0; !over; n++) {
                await daemon.call(path === "resize?kb=7000" && n % 90 === 70 ? "resize?kb=20000" : path);
                await new Promise((next) => setTimeout(next, 8 + 9 * i + n % 11));
            }
        });

    try {
        await signIn(picture, daemon.token);
        await until("a line of a minute", () => picture.locator(".spark path.stroke").first().getAttribute("d")
            .then((d) => d.split("L").length > 30, () => false), 6 * DEADLINE_MS);
        await picture.mouse.move(0, 0);
        await picture.screenshot({ path: file });
    } finally {
        over = true;
        await Promise.all(load);
    }
}

/* ---- running ---- */

let failed = 0;

async function runTest({ name, run }, i) {
    try {
        await run();
        console.log(`ok ${i + 1} - ${name}`);
    } catch (error) {
        failed++;
        console.log(`not ok ${i + 1} - ${name}\n${String(error.stack ?? error).replace(/^/gm, "# ")}`);
    }
}

for (const signal of ["SIGINT", "SIGTERM"])
    process.once(signal, () => process.exit(1));
console.log("TAP version 13");
try {
    const executablePath = process.env.HEARTH_CHROMIUM ?? "/usr/bin/chromium";
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    for (const [i, one] of tests.entries())
        await runTest(one, i);
    console.log(`1..${tests.length}`);
    if (process.env.HEARTH_SCREENSHOT)
        await takePicture(process.env.HEARTH_SCREENSHOT);
} catch (error) {
    console.log(`Bail out! ${error.message}`);
    failed++;
} finally {
    await browser?.close();
    if (failed > 0 && daemon)
        console.log(readFileSync(daemon.log, "utf8").split("\n").slice(-30).join("\n").replace(/^/gm, "# "));
    await daemon?.remove();
}
process.exitCode = failed > 0 ? 1 : 0;
