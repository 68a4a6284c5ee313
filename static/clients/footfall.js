/**
 * Footfall's client for JavaScript: one file without dependencies, for Node.js 18 and later, Deno, Bun and browsers. Types: footfall.d.ts.
 *
 *   import { Footfall } from "./footfall.js";
 *   const telemetry = new Footfall("mytool", "https://stats.example.com", { version: "1.4.0" });
 *   telemetry.start("build", process.argv.slice(2)); // one event when the process ends: duration, outcome, names of flags
 *   telemetry.track("build", { outcome: "success", duration_ms: 812, properties: { files: 3 } });
 *
 * In a process, an event is written to a small queue in the user's configuration folder, and a detached process sends it: the program never
 * waits for the network. In a browser, the queue is in localStorage. Nothing is written or sent before the first-run notice was shown, nothing
 * is printed but that notice, and no exception reaches the program. docs/clients.md of Footfall describes the rules that all clients share.
 */

const MAX_EVENTS = 100;
const MAX_EVENT = 8 * 1024; // bytes of one event
const MAX_LOCAL = 256 * 1024; // bytes of local.jsonl
const SENDER_SILENCE = 15_000; // ms after which a sender that does not renew its file is gone
const EXIT_WAIT = 50; // ms for which a program that cannot start a process may be held
const FALSE = ["", "0", "false", "off", "no"];
const TRUE = ["1", "true", "on", "yes"];

// prettier-ignore
const CI_SYSTEMS = {
  GITHUB_ACTIONS: "github", GITLAB_CI: "gitlab", TF_BUILD: "azure", JENKINS_URL: "jenkins", CIRCLECI: "circle", TRAVIS: "travis",
  BUILDKITE: "buildkite", TEAMCITY_VERSION: "teamcity", BITBUCKET_BUILD_NUMBER: "bitbucket", CODEBUILD_BUILD_ID: "codebuild",
  APPVEYOR: "appveyor", DRONE: "drone", CIRRUS_CI: "cirrus", SEMAPHORE: "semaphore", GITEA_ACTIONS: "gitea", FORGEJO_ACTIONS: "forgejo",
  NETLIFY: "netlify", HUDSON_URL: "hudson", CI: "other", CONTINUOUS_INTEGRATION: "other",
};
// prettier-ignore
const AGENTS = {
  CLAUDECODE: "claude-code", CURSOR_AGENT: "cursor", GEMINI_CLI: "gemini-cli", CODEX_SANDBOX: "codex", CODEX_THREAD_ID: "codex",
  OPENCODE: "opencode", CLINE_ACTIVE: "cline", AUGMENT_AGENT: "augment", GOOSE_TERMINAL: "goose", QWEN_CODE: "qwen-code",
  COPILOT_CLI: "copilot-cli", AMP_CURRENT_THREAD_ID: "amp", REPLIT_AGENT: "replit", ANTIGRAVITY_AGENT: "antigravity", AI_AGENT: "other",
};
const PEOPLES_CONTAINERS = ["CODESPACES", "REMOTE_CONTAINERS", "GITPOD_WORKSPACE_ID", "TOOLBOX_PATH", "DISTROBOX_ENTER_PATH"];

const deno = globalThis.Deno;
const isBrowser = typeof document !== "undefined" && typeof localStorage !== "undefined";
// Deno asks the user for permissions: without all of them there is no telemetry.
const mayUse = !deno || ["env", "read", "write", "run", "sys"].every((name) => quiet(() => deno.permissions.querySync({ name }).state) === "granted");
const proc = !isBrowser && mayUse ? globalThis.process : undefined;
const env = proc?.env ?? {};
const NAMES = ["fs", "child_process", "tty"];
let modules = proc?.getBuiltinModule ? (name) => proc.getBuiltinModule(name) : undefined;
let waiting = []; // what was tracked before Node.js 18 has loaded its modules
if (proc && !modules) {
  Promise.all(NAMES.map((name) => import(/* webpackIgnore: true */ /* @vite-ignore */ `node:${name}`))).then((loaded) => {
    modules = (name) => loaded[NAMES.indexOf(name)];
    for (const late of waiting) quiet(late);
    waiting = [];
  }, () => {});
}

/** Suppress every exception of `work`. */
function quiet(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

// Milliseconds of a monotonic clock. Not `performance`, which Node.js loads when it is first used.
function clock() {
  if (!proc?.hrtime) return performance.now();
  const [seconds, nanoseconds] = proc.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
const isTooLong = (body) => body.length * 3 > MAX_EVENT && new TextEncoder().encode(body).length > MAX_EVENT;
const isSet = (name) => !FALSE.includes((env[name] ?? "").trim().toLowerCase());
const nameOf = (table) => Object.keys(table).filter(isSet).map((name) => table[name]);

/** The error of a command that ended with this code. */
class ExitCode {
  constructor(code) {
    this.type = `exit ${code}`;
  }
}

/** Telemetry of one tool. `url` is the server's address, with /p/PROJECT if the project has one. */
export class Footfall {
  #prefix;

  constructor(tool, url, options = {}) {
    this.tool = String(tool);
    this.url = String(url).replace(/\/+$/, "");
    this.options = options;
    this.#prefix = this.tool.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  }

  /** Record one event. Never throws, never waits. */
  track(name, fields = {}) {
    const now = Date.now();
    if (proc && !modules) waiting.push(() => this.#record(name, fields, now));
    else quiet(() => this.#record(name, fields, now));
  }

  /** Begin a command. Its event is recorded by `end(error)` of the returned object, or else when the process ends, with its exit code. */
  start(name, flags = []) {
    const began = clock();
    let ended = false;
    let failure;
    const end = (error, code) =>
      quiet(() => {
        if (ended) return;
        ended = true;
        if (code === undefined) {
          proc?.off?.("exit", atExit);
          proc?.off?.("uncaughtExceptionMonitor", remember);
        }
        const fields = { outcome: error == null && !code ? "success" : "failure", duration_ms: Math.round((clock() - began) * 1000) / 1000 };
        if (error != null) fields.error = error;
        else if (code) fields.error = new ExitCode(code);
        const names = flagNames(flags);
        if (names) fields.properties = { flags: names };
        this.track(name, fields);
      });
    const remember = (error) => (failure = error ?? "unknown");
    const atExit = (code) => end(failure, code);
    quiet(() => {
      proc?.on?.("uncaughtExceptionMonitor", remember);
      proc?.on?.("exit", atExit);
    });
    return { end: (error) => end(error) };
  }

  /** Run a function, synchronous or not, as a command: its result or exception is passed on. */
  run(name, work, flags = []) {
    const command = this.start(name, flags);
    let result;
    try {
      result = work();
    } catch (error) {
      command.end(error ?? "unknown");
      throw error;
    }
    if (typeof result?.then !== "function") {
      command.end();
      return result;
    }
    return result.then(
      (value) => (command.end(), value),
      (error) => {
        command.end(error ?? "unknown");
        throw error;
      },
    );
  }

  /** @returns {{ state: "on" | "local" | "off", reason: string }} */
  state() {
    if (isBrowser) return this.#stateInBrowser();
    const off = (reason) => ({ state: "off", reason });
    if (!proc || !modules) return off("this runtime has no files, or may not use them");
    if (isSet("DO_NOT_TRACK")) return off("DO_NOT_TRACK is set");
    if (isSet(`${this.#prefix}_NO_TELEMETRY`)) return off(`${this.#prefix}_NO_TELEMETRY is set`);
    const said = (env[`${this.#prefix}_TELEMETRY`] ?? "").trim().toLowerCase();
    const folder = this.#folder();
    if (said && !TRUE.includes(said)) return { state: said === "local" && folder ? "local" : "off", reason: `${this.#prefix}_TELEMETRY is set` };
    if (!folder) return off("there is no home folder");
    const choice = read(`${folder}/choice`)?.trim();
    if (choice !== undefined) return { state: ["on", "local"].includes(choice) ? choice : "off", reason: "your choice" };
    if (said) return { state: "on", reason: `${this.#prefix}_TELEMETRY is set` };
    if (this.options.notice === false || read(`${folder}/notice`) !== undefined) return { state: "on", reason: "the default" };
    return off("the notice was not shown yet");
  }

  /** The event as it is sent. */
  event(name, fields = {}, now = Date.now()) {
    return this.#event(name, fields, now, this.state().state === "on", uuid());
  }

  #event(name, fields, now, isOn, number) {
    const { error, properties, ...others } = fields;
    const { version, environment, installSource, packageManager } = this.options;
    const id = isBrowser ? this.#idInBrowser() : installationId(this.#folder(), isOn);
    const given = { environment, install_source: installSource, package_manager: packageManager };
    const event = { name: String(name), id: number, timestamp: now, installation_id: id, version, sample_rate: this.#sampleRate(), ...surroundings() };
    for (const [key, value] of Object.entries(given)) if (value) event[key] = value;
    for (const [key, value] of Object.entries(others)) event[key] = clean(value);
    if (error != null) event.error = described(error);
    if (properties) event.properties = clean(properties);
    return event;
  }

  /** Store the user's choice: "on", "local" (recorded here, never sent) or "off". Returns whether it was stored. */
  choose(choice) {
    return (
      quiet(() => {
        if (!["on", "local", "off"].includes(choice)) return false;
        if (isBrowser) {
          localStorage.setItem(this.#key("choice"), choice);
          if (choice !== "on") localStorage.removeItem(this.#key("queue"));
          return true;
        }
        write(`${this.#folder()}/choice`, `${choice}\n`);
        if (choice !== "on") for (const path of listed(`${this.#folder()}/queue`)) remove(path);
        return true;
      }) ?? false
    );
  }

  /** The tool's `telemetry` command: status, on, local, off, show, erase. Prints; resolves to the exit code. */
  async cli(words) {
    const verb = words[0] ?? "status";
    const folder = this.#folder();
    const print = () => console.log(`telemetry: ${this.state().state} (${this.state().reason})`);
    if (verb === "status") print();
    else if (["on", "local", "off"].includes(verb)) {
      if (!this.choose(verb)) {
        console.error(`The choice cannot be stored. Set ${this.#prefix}_TELEMETRY=${verb} instead.`);
        return 1;
      }
      print();
    } else if (verb === "show") {
      console.log(JSON.stringify(this.event("example", { outcome: "success", duration_ms: 0 })));
      for (const path of [...listed(`${folder}/queue`), `${folder}/local.jsonl`]) {
        const kept = read(path)?.trim();
        if (kept) console.log(kept);
      }
    } else if (verb === "erase") {
      if (!(await this.erase())) {
        console.error("The server could not be asked to erase; nothing was changed. Try again later.");
        return 1;
      }
      console.log("Erased: the id, the events that waited, and what the server held of this installation.");
    } else {
      console.error("usage: telemetry status|on|local|off|show|erase");
      return 2;
    }
    return 0;
  }

  /** Ask the server to erase this installation, and forget its id. Resolves to true if it succeeded. */
  async erase() {
    try {
      const folder = this.#folder();
      const id = isBrowser ? localStorage.getItem(this.#key("id")) : installationId(folder, false);
      if (id) {
        const headers = this.options.key ? { Authorization: `Bearer ${this.options.key}` } : {};
        const answer = await fetch(`${this.url}/v1/installs/${id}`, { method: "DELETE", headers, redirect: "error", credentials: "omit", signal: AbortSignal.timeout(5000) });
        if (!answer.ok && answer.status !== 404) return false;
      }
      if (isBrowser) for (const name of ["id", "queue", "local"]) localStorage.removeItem(this.#key(name));
      else for (const path of [...listed(`${folder}/queue`), ...["id", "local.jsonl", "local.jsonl.old"].map((name) => `${folder}/${name}`)]) remove(path);
      return true;
    } catch {
      return false;
    }
  }

  #record(name, fields, now) {
    let { state, reason } = this.state();
    if (state === "off" && reason === "the notice was not shown yet" && this.#showNotice()) state = this.state().state;
    if (state === "off") return;
    const isOn = state === "on";
    if (isOn && Math.random() >= (this.#sampleRate() ?? 1)) return;
    const number = uuid();
    const event = this.#event(name, fields, now, isOn, number);
    let body = JSON.stringify(event);
    if (isTooLong(body)) body = JSON.stringify({ ...event, properties: { cut: true } });
    if (isTooLong(body)) return;
    if (isBrowser) {
      this.#keepInBrowser(state, body);
    } else if (state === "local") {
      append(`${this.#folder()}/local.jsonl`, `${body}\n`);
    } else {
      put(`${this.#folder()}/queue`, body, `${now}-${number}`);
      this.#sendLater();
    }
  }

  #sampleRate() {
    const { sampleRate } = this.options;
    return sampleRate > 0 && sampleRate < 1 ? sampleRate : undefined;
  }

  #showNotice() {
    const words = proc?.argv.slice(2) ?? [];
    if (isBrowser || nameOf(CI_SYSTEMS).length || !isTerminal(1) || !isTerminal(2) || words.some((word) => word.startsWith("--json"))) return false;
    const { command, about } = this.options;
    const stop = `${command ? `${command} off, or ` : ""}${this.#prefix}_TELEMETRY=off`;
    const text =
      `${this.tool} sends anonymous usage data to ${this.url.split("//").pop().split("/")[0]}: commands, durations, outcomes, version and system,\n` +
      `under a random id; no names, paths or contents. To stop it: ${stop}, or DO_NOT_TRACK=1.\n${about ? `More: ${about}\n` : ""}`;
    write(`${this.#folder()}/notice`, "shown\n", { before: () => modules("fs").writeSync(2, text) });
    return true;
  }

  #folder() {
    if (this.#place === undefined) this.#place = this.#findFolder() ?? "";
    return this.#place || undefined;
  }
  #place;

  #findFolder() {
    if (!/^[a-zA-Z0-9_-][\w.-]{0,63}$/.test(this.tool)) return undefined;
    const home = env.HOME || env.USERPROFILE || "";
    // U+FFFD: a name that is not UTF-8, which Node.js cannot pass on.
    const absolute = (path) => ((path?.startsWith("/") || /^[A-Za-z]:/.test(path ?? "")) && !path.includes("\ufffd") ? path : "");
    let base = absolute(env.XDG_CONFIG_HOME) || (home && `${home}/.config`);
    if (proc?.platform === "win32") base = env.APPDATA;
    if (proc?.platform === "darwin") base = home && `${home}/Library/Application Support`;
    if (!absolute(base)) return undefined;
    const folder = `${base}/${this.tool}`;
    return [home, base, folder, `${folder}/telemetry`].every(isOwn) ? `${folder}/telemetry` : undefined;
  }

  // One sender for the events of a short time: later ones are sent at the end of the process.
  #sendLater() {
    const now = clock();
    if (this.#spawned === undefined || now - this.#spawned > 2000) {
      this.#spawned = now;
      this.#send();
    } else if (!this.#isLate) {
      this.#isLate = true;
      proc.on("exit", () => quiet(() => this.#send()));
    }
  }
  #spawned;
  #isLate = false;

  #send() {
    const queue = `${this.#folder()}/queue`;
    const now = Date.now();
    const [until] = (read(`${queue}/wait`) ?? "0").split(" ").map(Number);
    const left = until - now / 1000;
    if (left > 0 && left < 86460) return;
    const settings = { url: this.url, key: this.options.key ?? "", queue };
    if (!isRuntime(proc.execPath)) {
      drain(JSON.stringify(settings), modules("fs"), EXIT_WAIT).catch(() => {});
      return;
    }
    settings.sender = `${this.url} ${this.options.version ?? ""}\n`;
    if (!becomesSender(`${queue}/sender`, settings.sender, now)) return;
    // Through the environment, where other users of the machine cannot read the key.
    const code = `import("node:fs").then(fs=>(${drain})(process.env.FOOTFALL_SENDER,fs,10000)).catch(()=>{}).then(()=>process.exit(0))`;
    const command = [proc.execPath, ...(deno ? ["eval", code] : ["-e", code])];
    const options = { detached: true, stdio: "ignore", windowsHide: true, cwd: "/", env: { ...env, FOOTFALL_SENDER: JSON.stringify(settings), NODE_USE_ENV_PROXY: "1", NODE_OPTIONS: "" } };
    const politely = 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; if command -v nice; then exec nice -n 19 "$@"; else exec "$@"; fi';
    const [file, ...words] = proc.platform === "win32" ? command : ["/bin/sh", "-c", politely, "sh", ...command];
    const child = modules("child_process").spawn(file, words, options);
    child.on("error", () => {});
    child.unref();
  }

  // In a browser

  #key(name) {
    return `footfall:${this.tool}:${name}`;
  }

  #stateInBrowser() {
    if (navigator.globalPrivacyControl || navigator.doNotTrack === "1") return { state: "off", reason: "the browser asks not to be tracked" };
    const choice = quiet(() => localStorage.getItem(this.#key("choice")));
    if (choice) return { state: ["on", "local"].includes(choice) ? choice : "off", reason: "your choice" };
    if (this.options.notice === false) return { state: "on", reason: "the default" };
    return { state: "off", reason: "the page showed no notice" };
  }

  #idInBrowser() {
    return quiet(() => {
      const known = localStorage.getItem(this.#key("id"));
      if (known || this.#stateInBrowser().state !== "on") return known ?? undefined;
      const id = uuid();
      localStorage.setItem(this.#key("id"), id);
      return id;
    });
  }

  #keepInBrowser(state, body) {
    const place = this.#key(state === "local" ? "local" : "queue");
    const kept = quiet(() => JSON.parse(localStorage.getItem(place))) ?? [];
    kept.push([Date.now(), body]);
    localStorage.setItem(place, JSON.stringify(kept.filter(([written]) => Date.now() - written < 7 * 86400_000).slice(-MAX_EVENTS)));
    if (state !== "on" || Number(localStorage.getItem(this.#key("wait"))) > Date.now()) return;
    const sent = JSON.parse(localStorage.getItem(place)).slice(-6); // keepalive has a limit of 64 KiB
    const headers = this.options.key ? { Authorization: `Bearer ${this.options.key}` } : {};
    const options = { method: "POST", keepalive: true, credentials: "omit", redirect: "error", headers, body: `{"events":[${sent.map(([, one]) => one).join()}]}` };
    fetch(`${this.url}/v1/events`, options)
      .then(async (answer) => {
        const isTaken = answer.ok && (await answer.text()).includes('"accepted"');
        const isRefused = answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status);
        if (!isTaken && !isRefused) throw Number(answer.headers.get("Retry-After")) || 60;
        const bodies = sent.map(([, one]) => one);
        const left = (quiet(() => JSON.parse(localStorage.getItem(place))) ?? []).filter(([, one]) => !bodies.includes(one));
        localStorage.setItem(place, JSON.stringify(left));
      })
      .catch((seconds) => quiet(() => localStorage.setItem(this.#key("wait"), Date.now() + 1000 * (typeof seconds === "number" ? Math.min(seconds, 86400) : 60))));
  }
}

// Fields that the client adds

function surroundings() {
  if (isBrowser) {
    const platform = navigator.userAgentData?.platform || navigator.platform || "";
    const os = [["mac", "darwin"], ["iph", "ios"], ["ipad", "ios"], ["android", "android"], ["win", "windows"], ["linux", "linux"]];
    return { os: os.find(([start]) => platform.toLowerCase().startsWith(start))?.[1], runtime: "browser", environment: "person", interactive: true };
  }
  const [ci] = nameOf(CI_SYSTEMS);
  const box = containerName();
  const agents = [...new Set(nameOf(AGENTS))].join(" ");
  const manager = (env.npm_config_user_agent ?? "").split("/")[0];
  const versions = proc.versions ?? {};
  return {
    os: proc.platform === "win32" ? "windows" : proc.platform,
    arch: proc.arch,
    runtime: versions.bun ? `bun ${versions.bun}` : versions.deno ? `deno ${versions.deno}` : `node ${versions.node}`,
    environment: ci ? "ci" : box && !PEOPLES_CONTAINERS.some(isSet) ? "container" : "person",
    ci_system: ci,
    container: box,
    agent: agents || undefined,
    interactive: isTerminal(0) && isTerminal(1),
    package_manager: ["npm", "pnpm", "yarn", "bun"].includes(manager) ? manager : undefined,
    install_source: installSource(),
  };
}

/** Reports whether a descriptor is a terminal. Does not load `tty`, which is slow, if files give the answer. */
function isTerminal(descriptor) {
  if (proc.platform === "win32") return modules("tty").isatty(descriptor);
  const fs = modules("fs");
  const found = quiet(() => fs.fstatSync(descriptor));
  return Boolean(found?.isCharacterDevice()) && found.rdev !== fs.statSync("/dev/null").rdev;
}

function containerName() {
  if (isSet("KUBERNETES_SERVICE_HOST")) return "kubernetes";
  const { existsSync } = modules("fs");
  if (existsSync("/.dockerenv")) return "docker";
  if (existsSync("/run/.containerenv")) return "podman";
  const said = env.container;
  return said ? (["docker", "podman", "lxc", "oci", "systemd-nspawn"].includes(said) ? said : "other") : undefined;
}

function installSource() {
  const place = `${proc.argv[1] ?? ""}/${proc.execPath}`.replaceAll("\\", "/");
  const parts = [
    ["/_npx/", "npx"], ["/dlx-", "pnpm"], ["/.bun/", "bun"], ["/Cellar/", "homebrew"], ["/nix/store/", "nix"], ["/snap/", "snap"],
    ["/lib/node_modules/", "npm"], ["/npm/node_modules/", "npm"], ["/pnpm/global/", "pnpm"], ["/node_modules/", "project"],
  ]; // prettier-ignore
  const found = parts.find(([part]) => place.includes(part));
  if (found) return found[1];
  return isRuntime(proc.execPath) ? "source" : "binary";
}

/** Reports whether a program is Node.js, Bun or Deno; a compiled JavaScript program is not. */
function isRuntime(path) {
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1).toLowerCase();
  return ["node", "bun", "deno"].some((one) => name.startsWith(one));
}

function flagNames(words) {
  const names = new Set();
  for (const word of words ?? []) {
    if (word === "--") break;
    const name = String(word).startsWith("--") ? String(word).split("=")[0] : String(word).slice(0, 2);
    if (/^(--[a-zA-Z][a-zA-Z0-9-]{0,37}|-[a-zA-Z])$/.test(name)) names.add(name);
  }
  return [...names].sort().join(" ");
}

// Privacy

function described(error) {
  if (error instanceof ExitCode) return { type: error.type };
  if (typeof error !== "object") return { type: typeof error, message: scrub(String(error)) };
  const type = error.code && typeof error.code === "string" ? `${error.name ?? "Error"} ${error.code}` : (error.type ?? error.name);
  const message = error.message == null ? undefined : scrub(String(error.message));
  return { type: type == null ? undefined : scrub(String(type)), message };
}

function clean(value) {
  if (value === "success" || value === "failure") return value;
  if (typeof value === "string") return scrub(value);
  if (Array.isArray(value)) return value.slice(0, 100).map(clean);
  if (typeof value === "bigint") return String(value);
  if (value && typeof value === "object") {
    if (value.constructor && value.constructor !== Object) return scrub(String(value));
    return Object.fromEntries(Object.entries(value).slice(0, 100).map(([key, inner]) => [key.slice(0, 256), clean(inner)]));
  }
  return value;
}

const PATTERNS = [
  [/(?:\/home\/|\/Users\/|[a-z]:[\\/]+Users[\\/]+)[^\\/\s'":]+/gi, "~"],
  [/-----BEGIN [^-]*-----[\s\S]*?(?:-----END [^-]*-----|$)/g, "[secret]"],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?/g, "[token]"],
  [/\b(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk-|pk_live_|sk_live_|npm_|pypi-|hf_|ff_|AIza|AKIA|ASIA)[\w-]{8,}/g, "[token]"],
  [/\/\/[^\s/@'"]+@/g, "//[credentials]@"],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, "$1 [token]"],
  [/((?:token|secret|passw(?:or)?d|passwd|pwd|api[_-]?key|access[_-]?key|authorization)["']?\s*[=:]\s*)[^\s,;&]+/gi, "$1[secret]"],
  [/[\w.+%-]+@[\w-]+(?:\.[\w-]+)+/g, "[email]"],
  [/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, "[ip]"],
  [/(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F:]+/g, "[ip]"],
  [/\b[A-Za-z0-9+/_-]{40,}={0,2}/g, "[token]"],
];

// Too short and too plain for any of these patterns. Most texts are; compiling the patterns takes half a millisecond.
const PLAIN = /^[\w -]{0,10}$/;

/** Text without home folders, e-mail addresses, credentials, IP addresses, this user's or this machine's name. */
function scrub(text) {
  text = text.slice(0, 8000);
  const home = env.HOME || env.USERPROFILE;
  if (home?.length > 2) text = text.replaceAll(home, "~");
  if (!PLAIN.test(text)) for (const [pattern, shown] of PATTERNS) text = text.replace(pattern, shown);
  for (const name of ownNames()) {
    if (text.includes(name)) text = text.replace(new RegExp(`(?<![\\w-])${name.replace(/[^\w]/g, "\\$&")}(?![\\w-])`, "g"), "[name]");
  }
  return text.slice(0, 1000).replace(/[\ud800-\udbff]$/, "");
}

/** The names of this user and this machine, if they identify anything. */
function ownNames() {
  if (!names) {
    names = ["USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"].map((name) => env[name]);
    names.push(isBrowser ? undefined : read("/proc/sys/kernel/hostname")?.trim());
    names = names.filter((name) => name?.length > 2 && !["root", "runner", "user", "localhost"].includes(name));
  }
  return names;
}
let names;

// Files

/** The text of a file. Checks first that it exists: an exception takes ten times as long. */
function read(path) {
  return quiet(() => (modules("fs").existsSync(path) ? modules("fs").readFileSync(path, "utf8") : undefined));
}

function makeFolder(path) {
  const fs = modules("fs");
  if (!fs.existsSync(path)) fs.mkdirSync(path, { recursive: true, mode: 0o700 });
}

function remove(path) {
  quiet(() => modules("fs").unlinkSync(path));
}

/** Reports whether a folder is this user's or does not exist: root could write into another user's, who could not change files of root. */
function isOwn(path) {
  const owner = path && proc.geteuid ? quiet(() => modules("fs").statSync(path, { throwIfNoEntry: false })?.uid) : undefined;
  return owner === undefined || owner === proc.geteuid();
}

/** Write a file that does not exist yet. Leaves none if the disk is full. */
function create(path, body) {
  try {
    modules("fs").writeFileSync(path, body, { mode: 0o600, flag: "wx" });
  } catch (error) {
    remove(path);
    throw error;
  }
}

/** Write a file atomically. `before` runs when only the renaming is left to do. */
function write(path, body, { part = `${path}.${uuid()}.tmp`, before = () => {} } = {}) {
  makeFolder(path.slice(0, path.lastIndexOf("/")));
  create(part, body);
  before();
  modules("fs").renameSync(part, path);
}

function append(path, line) {
  const fs = modules("fs");
  makeFolder(path.slice(0, path.lastIndexOf("/")));
  if ((quiet(() => fs.statSync(path).size) ?? 0) > MAX_LOCAL) fs.renameSync(path, `${path}.old`);
  fs.appendFileSync(path, line, { mode: 0o600 });
}

/** A random UUID: the kernel's if there is one, which is ten times as fast as loading `crypto`. */
function uuid() {
  const made = isBrowser ? undefined : read("/proc/sys/kernel/random/uuid")?.trim();
  if (made?.length === 36) return made;
  const bytes = (globalThis.crypto ?? proc?.getBuiltinModule?.("crypto").webcrypto).getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}

/** The random id, created once: if several processes create it at the same time, one wins and the others use its id. */
function installationId(folder, make) {
  if (!folder) return undefined;
  const path = `${folder}/id`;
  for (let tries = 0; tries < 3; tries++) {
    const found = read(path);
    if (found?.trim().length === 36) return found.trim();
    if (!make) return undefined;
    const fs = modules("fs");
    const part = `${path}.${uuid()}.tmp`;
    makeFolder(folder);
    create(part, `${uuid()}\n`);
    try {
      if (found !== undefined) fs.renameSync(part, path); // no id in it
      else fs.linkSync(part, path);
    } catch {
      if (!fs.existsSync(path)) quiet(() => fs.renameSync(part, path)); // no hard links here
    }
    remove(part);
  }
  return undefined;
}

// The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `….json.{seconds}`.

function listed(queue) {
  const found = quiet(() => (modules("fs").existsSync(queue) ? modules("fs").readdirSync(queue) : [])) ?? [];
  return found.filter((name) => /^\d+-[\w-]+\.\d+\.json(\.\d+)?$/.test(name)).sort().map((name) => `${queue}/${name}`);
}

function put(queue, body, name) {
  for (const path of listed(queue).slice(0, -(MAX_EVENTS - 1))) remove(path);
  const path = `${queue}/${name}.0.json`;
  write(path, body, { part: `${path}.tmp` });
}

/** Reports whether this process has to start a sender: none with the same address and version runs, which would take the event, too. */
function becomesSender(path, sender, now) {
  const known = read(path);
  if (known?.endsWith(` ${sender}`) && Math.abs(now - parseInt(known)) < SENDER_SILENCE) return false;
  try {
    modules("fs").writeFileSync(path, `${now} ${sender}`, { mode: 0o600, flag: known === undefined ? "wx" : "w" });
  } catch {
    if (known === undefined && read(path) !== undefined) return false; // another process was faster
  }
  return true;
}

/**
 * The sender, whose source runs in a process of its own: sends all events of the queue that are free, each batch once, and for three seconds
 * after the last one those that come. While it runs, `queue/sender` says so to other runs. Refers to nothing outside itself but `fs`.
 */
async function drain(settings, fs, within) {
  const { url, key, queue, sender } = JSON.parse(settings);
  const attempt = (work) => {
    try {
      return work();
    } catch {
      return undefined;
    }
  };
  const pause = () => (attempt(() => fs.readFileSync(`${queue}/wait`, "utf8")) ?? "0 0").split(" ").map(Number);
  const claim = () => {
    const claimed = [];
    const now = Math.floor(Date.now() / 1000);
    for (const name of fs.readdirSync(queue).sort()) {
      const path = `${queue}/${name}`;
      if (name.endsWith(".tmp") && now - attempt(() => fs.statSync(path).mtimeMs / 1000) > 86400) attempt(() => fs.unlinkSync(path));
      const parts = /^(\d+)-([\w-]+)\.(\d+)\.json(?:\.(\d+))?$/.exec(name);
      if (!parts) continue;
      const [, written, id, attempts, taken] = parts;
      if (Math.abs(now - written / 1000) > 7 * 86400 || Number(attempts) >= 100) attempt(() => fs.unlinkSync(path));
      else if (Math.abs(now - (taken ?? 0)) > 60 && claimed.length < 100) {
        const mine = `${queue}/${written}-${id}.${attempts}.json.${now}`;
        if (attempt(() => (fs.renameSync(path, mine), true))) {
          claimed.push({ path: mine, free: `${queue}/${written}-${id}.${Number(attempts) + 1}.json`, body: attempt(() => fs.readFileSync(mine, "utf8")) });
        }
      }
    }
    return claimed;
  };
  const leave = () => sender && attempt(() => fs.unlinkSync(`${queue}/sender`));
  // Returns false if another version of the tool has started a sender of its own.
  const stay = () => {
    const known = attempt(() => fs.readFileSync(`${queue}/sender`, "utf8"));
    if (known && !known.endsWith(` ${sender}`)) return false;
    attempt(() => fs.writeFileSync(`${queue}/sender`, `${Date.now()} ${sender}`, { mode: 0o600 }));
    return true;
  };
  const linger = sender ? 6 : 0; // half seconds
  for (let round = 0, idle = 0; round < 100; round++) {
    const isLast = idle >= linger || round === 99;
    if (isLast) leave(); // before it looks, so that no run leaves its event to a sender that has looked
    else if (!stay()) return;
    const left = pause()[0] - Date.now() / 1000;
    if (left > 0 && left < 86460) return leave();
    const claimed = claim();
    if (!claimed.length) {
      if (isLast) return;
      idle++;
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    let retryAfter = 0;
    let isDone = false;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), within);
    try {
      const headers = { "Content-Type": "application/json", "User-Agent": "footfall-js/1", ...(key && { Authorization: `Bearer ${key}` }) };
      const body = `{"events":[${claimed.map((one) => one.body).filter((one) => one?.startsWith("{")).join()}]}`;
      const sent = fetch(`${url}/v1/events`, { method: "POST", headers, body, redirect: "manual", signal: limit.signal });
      const gone = new Promise((_, reject) => limit.signal.addEventListener("abort", () => reject(limit.signal.reason)));
      const answer = await Promise.race([sent, gone]);
      const said = answer.headers.get("retry-after") ?? "";
      retryAfter = /^\d+$/.test(said) ? Number(said) : Math.max(0, Math.ceil((Date.parse(said) - Date.now()) / 1000) || 0);
      let text = "";
      for await (const piece of answer.ok ? answer.body : []) {
        text += new TextDecoder().decode(piece);
        if (text.length > 4096) break;
      }
      isDone = (answer.ok && text.includes('"accepted"')) || (answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status));
    } catch {
      isDone = false;
    }
    clearTimeout(timer);
    for (const { path, free } of claimed) attempt(() => (isDone ? fs.unlinkSync(path) : fs.renameSync(path, free)));
    if (isDone) {
      attempt(() => fs.unlinkSync(`${queue}/wait`));
      idle = 0;
    } else {
      const failures = Math.min(pause()[1] || 0, 12) + 1;
      const seconds = retryAfter ? Math.min(retryAfter, 86400) : Math.min(3600, 15 * 2 ** failures);
      attempt(() => fs.writeFileSync(`${queue}/wait`, `${Math.floor(Date.now() / 1000) + seconds} ${failures}\n`));
      return leave();
    }
  }
}
