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
const SMALL = 4096; // bytes, more than the files that each event needs have
const LINUX_NULL = 0x103; // the number of the device /dev/null
const NOT_SHOWN = "the notice was not shown yet";
const EXIT_WAIT = 50; // ms for which a program that cannot start a process may be held
const NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
const RETRIED = [401, 403, 404, 407, 408, 425, 429]; // 401, 403 and 404 refuse a key or an address: another version of the tool may have a valid one
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
let fileModule;
let waiting = []; // what was tracked before Node.js 18 has loaded its modules
if (proc && !modules && proc.mainModule) modules = (name) => proc.mainModule.require(`node:${name}`); // a CommonJS program, such as a bundle
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

// Milliseconds of a monotonic clock. Not `performance` or `hrtime`: at the first use, Node.js loads the one and compiles the other.
const clock = () => (proc ? proc.uptime() * 1000 : performance.now());

const EXIT_CODE = Symbol("exit code"); // marks the error of a command that ended with an exit code

/** Telemetry of one tool. `url` is the server's address, with /p/PROJECT if the project has one. */
export class Footfall {
  #memory = {};

  constructor(tool, url, options = {}) {
    this.tool = String(tool);
    this.url = String(url);
    while (this.url.endsWith("/")) this.url = this.url.slice(0, -1);
    this.options = options;
  }

  /** Record one event. Never throws, never waits. */
  track(name, fields = {}) {
    const now = Date.now();
    if (proc && !modules) waiting.push(() => record(this, this.#memory, name, fields, now));
    else if (isBrowser) quiet(() => this.#recordInBrowser(name, fields, now));
    else record(this, this.#memory, name, fields, now);
  }

  /** Begin a command. Its event is recorded by `end(error)` of the returned object, or else when the process ends, with its exit code. */
  start(name, flags = []) {
    return begin(this, this.#memory, name, flags);
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
    return stateOf(this, this.#memory);
  }

  /** The event as it is sent. */
  event(name, fields = {}) {
    const isOn = this.state().state === "on";
    return makeEvent(this, isBrowser ? this.#idInBrowser() : installationId(this.#folder(), isOn), name, fields, Date.now(), uuid());
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
  async cli(args) {
    const verb = args[0] ?? "status";
    const folder = this.#folder();
    const print = () => console.log(`telemetry: ${this.state().state} (${this.state().reason})`);
    if (verb === "status") print();
    else if (["on", "local", "off"].includes(verb)) {
      if (!this.choose(verb)) {
        console.error(`The choice cannot be stored. Set ${prefixOf(this.tool)}_TELEMETRY=${verb} instead.`);
        return 1;
      }
      print();
    } else if (verb === "show") {
      console.log(JSON.stringify(this.event("example", { outcome: "success", duration_ms: 0 })));
      for (const path of [...listed(`${folder}/queue`), `${folder}/local.jsonl`]) {
        const content = readAll(path)?.trim();
        if (content) console.log(content);
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
      const queue = `${folder}/queue`;
      await this.#memory.sending;
      const id = isBrowser ? localStorage.getItem(this.#key("id")) : installationId(folder, false);
      for (let round = 0, before; id && round < 3 && listed(queue).join() !== before; round++) {
        await finishSending(queue);
        before = listed(queue).join();
        const headers = this.options.key ? { Authorization: `Bearer ${this.options.key}` } : {};
        const answer = await fetch(`${this.url}/v1/installs/${id}`, { method: "DELETE", headers, redirect: "error", credentials: "omit", signal: AbortSignal.timeout(5000) });
        if (!answer.ok && answer.status !== 404) return false;
      }
      if (isBrowser) for (const name of ["id", "queue", "local"]) localStorage.removeItem(this.#key(name));
      else for (const path of [...listed(queue), ...["id", "local.jsonl", "local.jsonl.old"].map((name) => `${folder}/${name}`)]) remove(path);
      return true;
    } catch {
      return false;
    }
  }

  #folder() {
    return folderOf(this.tool, this.#memory);
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
      const stored = localStorage.getItem(this.#key("id"));
      if (stored || this.#stateInBrowser().state !== "on") return stored ?? undefined;
      const id = uuid();
      localStorage.setItem(this.#key("id"), id);
      return id;
    });
  }

  #recordInBrowser(name, fields, now) {
    const { state } = this.state();
    if (state === "off" || (state === "on" && isLeftOut(this))) return;
    const body = bodyOf(makeEvent(this, this.#idInBrowser(), name, fields, now, uuid()));
    if (body) this.#keepInBrowser(state, body);
  }

  #keepInBrowser(state, body) {
    const place = this.#key(state === "local" ? "local" : "queue");
    const queue = quiet(() => JSON.parse(localStorage.getItem(place))) ?? [];
    queue.push([Date.now(), body]);
    localStorage.setItem(place, JSON.stringify(queue.filter(([written]) => Date.now() - written < 7 * 86400_000).slice(-MAX_EVENTS)));
    if (state !== "on" || Number(localStorage.getItem(this.#key("wait"))) > Date.now()) return;
    const sent = JSON.parse(localStorage.getItem(place)).slice(-6); // keepalive has a limit of 64 KiB
    const headers = this.options.key ? { Authorization: `Bearer ${this.options.key}` } : {};
    const options = { method: "POST", keepalive: true, credentials: "omit", redirect: "error", headers, body: `{"events":[${sent.map(([, one]) => one).join()}]}` };
    this.#memory.sending = fetch(`${this.url}/v1/events`, options)
      .then(async (answer) => {
        const isTaken = answer.ok && (await answer.text()).includes('"accepted"');
        const isRefused = answer.status >= 400 && answer.status < 500 && !RETRIED.includes(answer.status);
        if (!isTaken && !isRefused) throw Number(answer.headers.get("Retry-After")) || 60;
        const bodies = sent.map(([, one]) => one);
        const unsent = (quiet(() => JSON.parse(localStorage.getItem(place))) ?? []).filter(([, one]) => !bodies.includes(one));
        localStorage.setItem(place, JSON.stringify(unsent));
      })
      .catch((seconds) => quiet(() => localStorage.setItem(this.#key("wait"), Date.now() + 1000 * (typeof seconds === "number" ? Math.min(seconds, 86400) : 60))));
  }
}

// Functions that each event needs. V8 compiles a function in parentheses when it loads the file. It parses any other function twice, the second time
// at the first call, which would take 0.5 ms longer.

/** Node's module `fs`. */
const files = (function () {
  return (fileModule ??= modules("fs"));
});

const isSet = (function (name) {
  const value = env[name];
  return value ? !FALSE.includes(value.trim().toLowerCase()) : false;
});

/** The values of a table whose keys are environment variables that are set. */
const namesOf = (function (table) {
  const found = [];
  for (const name in table) if (env[name] && isSet(name)) found.push(table[name]);
  return found;
});

/** Begin a command of a client. */
const begin = (function (client, memory, name, flags) {
  const began = clock();
  let hasEnded = false;
  let failure;
  const end = (function (error, code) {
    try {
      if (hasEnded) return;
      hasEnded = true;
      if (code === undefined) {
        proc?.off?.("exit", atExit);
        proc?.off?.("uncaughtExceptionMonitor", remember);
      }
      const fields = { outcome: error == null && !code ? "success" : "failure", duration_ms: Math.round((clock() - began) * 1000) / 1000 };
      if (error != null) fields.error = error;
      else if (code) fields.error = { type: `exit ${code}`, [EXIT_CODE]: code };
      const names = flags?.length ? flagNames(flags) : "";
      if (names) fields.properties = { flags: names };
      if (modules) record(client, memory, name, fields, Date.now());
      else client.track(name, fields);
    } catch {}
  });
  const remember = (error) => (failure = error ?? "unknown");
  const atExit = (function (code) {
    end(failure, code);
  });
  try {
    proc?.on?.("uncaughtExceptionMonitor", remember);
    proc?.on?.("exit", atExit);
  } catch {}
  return { end: (error) => end(error) };
});

const stateOf = (function (client, memory) {
  const off = (function (reason) {
    return { state: "off", reason };
  });
  if (!proc || !modules) return off("this runtime has no files, or may not use them");
  if (isSet("DO_NOT_TRACK")) return off("DO_NOT_TRACK is set");
  const prefix = prefixOf(client.tool);
  if (isSet(`${prefix}_NO_TELEMETRY`)) return off(`${prefix}_NO_TELEMETRY is set`);
  const setting = (env[`${prefix}_TELEMETRY`] ?? "").trim().toLowerCase();
  const folder = folderOf(client.tool, memory);
  if (setting && !TRUE.includes(setting)) return { state: setting === "local" && folder ? "local" : "off", reason: `${prefix}_TELEMETRY is set` };
  if (!folder) return off("there is no home folder");
  const choice = read(`${folder}/choice`)?.trim();
  if (choice !== undefined) return { state: ["on", "local"].includes(choice) ? choice : "off", reason: "your choice" };
  if (setting) return { state: "on", reason: `${prefix}_TELEMETRY is set` };
  if (client.options.notice === false || read(`${folder}/notice`) !== undefined) return { state: "on", reason: "the default" };
  return off(NOT_SHOWN);
});

/** The tool's name in names of environment variables. */
const prefixOf = (function (tool) {
  return tool.toUpperCase().replaceAll("-", "_").replaceAll(".", "_");
});

/** Reports whether a tool's name may name a folder. The first regular expression of a process would take longer. */
const isFileName = (function (tool) {
  for (const character of tool) if (!NAME_CHARACTERS.includes(character)) return false;
  return tool.length > 0 && tool.length <= 64 && tool[0] !== ".";
});

/** The folder of the client's files, or undefined without one that this user owns: what root writes to a user's folder, the user could not change. */
const folderOf = (function (tool, memory) {
  if ("folder" in memory) return memory.folder;
  memory.folder = undefined;
  if (!proc || !isFileName(tool)) return undefined;
  const home = env.HOME || env.USERPROFILE || "";
  let base = env.XDG_CONFIG_HOME;
  if (!base || !isAbsolute(base)) base = home && `${home}/.config`;
  if (proc.platform === "win32") base = env.APPDATA;
  if (proc.platform === "darwin") base = home && `${home}/Library/Application Support`;
  if (!base || !isAbsolute(base)) return undefined;
  const folder = `${base}/${tool}/telemetry`;
  const user = proc.geteuid?.();
  for (const path of [home, base, `${base}/${tool}`, folder]) {
    let owner;
    try {
      if (path && user !== undefined) owner = files().statSync(path, { throwIfNoEntry: false })?.uid;
    } catch {}
    if (owner !== undefined && owner !== user) return undefined;
  }
  memory.folder = folder;
  return folder;
});

// U+FFFD stands for a name that is not UTF-8, which Node.js cannot pass on.
const isAbsolute = (function (path) {
  return (path.startsWith("/") || /^[A-Za-z]:/.test(path)) && !path.includes("\ufffd");
});

const record = (function (client, memory, name, fields, now) {
  try {
    let { state, reason } = stateOf(client, memory);
    if (reason === NOT_SHOWN && showNotice(client, memory)) state = stateOf(client, memory).state;
    if (state === "off") return;
    const isOn = state === "on";
    if (isOn && isLeftOut(client)) return;
    const folder = memory.folder;
    const number = uuid();
    const body = bodyOf(makeEvent(client, installationId(folder, isOn), name, fields, now, number));
    if (!body) return;
    if (isOn) sendLater(client, memory, put(`${folder}/queue`, body, `${now}-${number}`));
    else append(`${folder}/local.jsonl`, `${body}\n`);
  } catch {}
});

/** The sample rate, if not all events are sent. */
const sampleRate = (function (client) {
  const rate = client.options.sampleRate;
  return rate > 0 && rate < 1 ? rate : undefined;
});

/** Decide at random whether an event is left out of the sample. */
const isLeftOut = (function (client) {
  const rate = sampleRate(client);
  return rate !== undefined && Math.random() >= rate;
});

const makeEvent = (function (client, installation, name, fields, now, number) {
  const { error, properties, ...others } = fields;
  const { version, environment, installSource, packageManager } = client.options;
  const event = { name: String(name), id: number, timestamp: now, installation_id: installation, version, sample_rate: sampleRate(client) };
  addSurroundings(event);
  if (environment) event.environment = environment;
  if (installSource) event.install_source = installSource;
  if (packageManager) event.package_manager = packageManager;
  for (const key of Object.keys(others)) event[key] = clean(others[key]);
  if (error != null) event.error = described(error);
  if (properties) event.properties = clean(properties);
  return event;
});

/** The event as JSON, without its properties if it is too long, or undefined if it still is. */
const bodyOf = (function (event) {
  const isTooLong = (body) => body.length * 3 > MAX_EVENT && new TextEncoder().encode(body).length > MAX_EVENT;
  let body = JSON.stringify(event);
  if (body.length * 3 <= MAX_EVENT) return body;
  if (isTooLong(body)) body = JSON.stringify({ ...event, properties: { cut: true } });
  return isTooLong(body) ? undefined : body;
});

// One sender for the events of two seconds: later ones are sent at the end of the process. `names` are the files that the queue held a moment ago.
const sendLater = (function (client, memory, names) {
  const now = clock();
  if (memory.spawned === undefined || now - memory.spawned > 2000) {
    memory.spawned = now;
    send(client, `${memory.folder}/queue`, names);
  } else if (!memory.isLate) {
    memory.isLate = true;
    proc.on("exit", () => quiet(() => send(client, `${memory.folder}/queue`, ["wait", "sender"])));
  }
});

const send = (function (client, queue, names) {
  const now = Date.now();
  const { key = "", version = "" } = client.options;
  if (names.includes("wait")) {
    const [until, , refused] = (read(`${queue}/wait`) ?? "").trim().split(" ");
    const remaining = parseInt(until) - now / 1000;
    if (remaining > 0 && remaining < 86460 && (refused === undefined || refused === keyMark(key))) return;
  }
  if (!isRuntime(proc.execPath)) {
    drain(JSON.stringify({ url: client.url, key, queue }), files(), EXIT_WAIT).catch(() => {});
    return;
  }
  const sender = `${encodeURI(client.url)} ${encodeURI(version)}\n`; // ASCII, for `read`
  if (becomesSender(`${queue}/sender`, sender, now, names.includes("sender"))) startSender(JSON.stringify({ url: client.url, key, queue, sender }));
});

/** The end of a key, by which the file `wait` tells whose key was refused. */
function keyMark(key) {
  return key?.length >= 4 ? key.slice(-4) : "-";
}

function startSender(settings) {
  // `spawn` returns once the new process runs its program. On Linux, a new session is also a new scheduling group ("autogroup"), in which the
  // process first waits for its turn: on a busy machine, tens of milliseconds. There, `setsid` begins the session afterwards.
  const hasLateSession = proc.platform === "linux" && !deno && !proc.versions.bun;
  const guard = hasLateSession ? 'for(const name of ["SIGINT","SIGHUP"])process.on(name,()=>{});' : "";
  const helpers = "const __name=value=>value;"; // a bundle of esbuild that keeps names calls it in `drain`
  const code = `${guard}${helpers}import("node:fs").then(fs=>(${drain})(process.env.FOOTFALL_SENDER,fs,10000)).catch(()=>{}).then(()=>process.exit(0))`;
  const command = [proc.execPath, ...(deno ? ["eval", code] : ["-e", code])];
  // `sleep` leaves the processor to the program, which is about to end: to start Node.js takes tens of milliseconds, even at a low priority.
  const script =
    "trap '' INT HUP; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; sleep .1; command -v nice && set -- nice -n 19 \"$@\"; " +
    (hasLateSession ? 'command -v setsid && set -- setsid "$@"; exec "$@"' : 'exec "$@"');
  const [file, ...words] = proc.platform === "win32" ? command : ["/bin/sh", "-c", script, "sh", ...command];
  // Through the environment, where other users of the machine cannot read the key.
  const variables = { ...env, FOOTFALL_SENDER: settings, NODE_USE_ENV_PROXY: "1", NODE_OPTIONS: "" };
  const child = modules("child_process").spawn(file, words, { detached: !hasLateSession, stdio: "ignore", windowsHide: true, cwd: "/", env: variables });
  child.on("error", () => {});
  child.unref();
}

function showNotice(client, memory) {
  const args = proc.argv.slice(2);
  if (namesOf(CI_SYSTEMS).length || !isTerminal(1) || !isTerminal(2) || args.some((word) => word.startsWith("--json"))) return false;
  const { command, about } = client.options;
  const stop = `${command ? `${command} off, or ` : ""}${prefixOf(client.tool)}_TELEMETRY=off`;
  const text =
    `${client.tool} sends anonymous usage data to ${client.url.split("//").pop().split("/")[0]}: commands, durations, outcomes, version and system,\n` +
    `under a random id; no names, paths or contents. To stop it: ${stop}, or DO_NOT_TRACK=1.\n${about ? `More: ${about}\n` : ""}`;
  write(`${memory.folder}/notice`, "shown\n", () => files().writeSync(2, text));
  return true;
}

// Fields that the client adds

function browserSystem() {
  const platform = (navigator.userAgentData?.platform || navigator.platform || "").toLowerCase();
  const systems = { mac: "darwin", iph: "ios", ipad: "ios", android: "android", win: "windows", linux: "linux" };
  return systems[Object.keys(systems).find((start) => platform.startsWith(start))];
}

const addSurroundings = (function (event) {
  if (isBrowser) {
    Object.assign(event, { os: browserSystem(), runtime: "browser", environment: "person", interactive: true });
    return;
  }
  if (!proc) return;
  const { versions, platform } = proc;
  const ci = namesOf(CI_SYSTEMS)[0];
  const container = containerName();
  const agents = namesOf(AGENTS);
  const manager = env.npm_config_user_agent?.split("/")[0];
  event.os = platform === "win32" ? "windows" : platform;
  event.arch = proc.arch;
  event.runtime = versions?.bun ? `bun ${versions.bun}` : versions?.deno ? `deno ${versions.deno}` : `node ${versions?.node}`;
  event.environment = ci ? "ci" : container && !PEOPLES_CONTAINERS.some(isSet) ? "container" : "person";
  event.ci_system = ci;
  event.container = container;
  event.agent = agents.length ? [...new Set(agents)].join(" ") : undefined;
  event.interactive = isTerminal(0) && isTerminal(1);
  event.package_manager = manager && ["npm", "pnpm", "yarn", "bun"].includes(manager) ? manager : undefined;
  event.install_source = sourceOfInstall();
});

/** Reports whether a descriptor is a terminal. Does not load `tty`, which is slow, if files give the answer. */
const isTerminal = (function (descriptor) {
  if (proc.platform === "win32") return modules("tty").isatty(descriptor);
  const fs = files();
  try {
    const { mode, rdev } = fs.fstatSync(descriptor);
    const isDevice = (mode & 0o170000) === 0o020000; // a character device
    return isDevice && rdev !== (proc.platform === "linux" ? LINUX_NULL : fs.statSync("/dev/null").rdev);
  } catch {
    return false; // closed
  }
});

const containerName = (function () {
  if (isSet("KUBERNETES_SERVICE_HOST")) return "kubernetes";
  const { existsSync } = files();
  if (existsSync("/.dockerenv")) return "docker";
  if (existsSync("/run/.containerenv")) return "podman";
  const value = env.container;
  return value ? (["docker", "podman", "lxc", "oci", "systemd-nspawn"].includes(value) ? value : "other") : undefined;
});

// prettier-ignore
const SOURCES = {
  "/_npx/": "npx", "/dlx-": "pnpm", "/.bun/": "bun", "/Cellar/": "homebrew", "/nix/store/": "nix", "/snap/": "snap", "/lib/node_modules/": "npm",
  "/npm/node_modules/": "npm", "/pnpm/global/": "pnpm", "/node_modules/": "project",
};

const sourceOfInstall = (function () {
  const paths = `${proc.argv[1] ?? ""}/${proc.execPath}`.replaceAll("\\", "/");
  for (const part in SOURCES) if (paths.includes(part)) return SOURCES[part];
  return isRuntime(proc.execPath) ? "source" : "binary";
});

/** Reports whether a program is Node.js, Bun or Deno; a compiled JavaScript program is not. */
const isRuntime = (function (path) {
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1).toLowerCase();
  return name.startsWith("node") || name.startsWith("bun") || name.startsWith("deno");
});

function flagNames(args) {
  const names = new Set();
  for (const word of args ?? []) {
    if (word === "--") break;
    const name = String(word).startsWith("--") ? String(word).split("=")[0] : String(word).slice(0, 2);
    if (/^(--[a-zA-Z][a-zA-Z0-9-]{0,37}|-[a-zA-Z])$/.test(name)) names.add(name);
  }
  return [...names].sort().join(" ");
}

// Privacy

const described = (function (error) {
  if (error[EXIT_CODE]) return { type: error.type };
  if (typeof error !== "object") return { type: typeof error, message: scrub(String(error)) };
  const type = error.code && typeof error.code === "string" ? `${error.name ?? "Error"} ${error.code}` : (error.type ?? error.name);
  const message = error.message == null ? undefined : scrub(String(error.message));
  return { type: type == null ? undefined : scrub(String(type)), message };
});

const clean = (function (value) {
  if (value === "success" || value === "failure") return value;
  if (typeof value === "string") return scrub(value);
  if (Array.isArray(value)) return value.slice(0, 100).map(clean);
  if (typeof value === "bigint") return String(value);
  if (value && typeof value === "object") {
    if (value.constructor && value.constructor !== Object) return scrub(String(value));
    return Object.fromEntries(Object.entries(value).slice(0, 100).map(([key, inner]) => [key.slice(0, 256), clean(inner)]));
  }
  return value;
});

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
  if (!PLAIN.test(text)) for (const [pattern, replacement] of PATTERNS) text = text.replace(pattern, replacement);
  for (const name of ownNames()) {
    if (text.includes(name)) text = text.replace(new RegExp(`(?<![\\w-])${name.replace(/[^\w]/g, "\\$&")}(?![\\w-])`, "g"), "[name]");
  }
  return text.slice(0, 1000).replace(/[\ud800-\udbff]$/, "");
}

/** The names of this user and this machine, if they identify anything. */
function ownNames() {
  if (!names) {
    names = ["USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"].map((name) => env[name]);
    names.push(isBrowser ? undefined : readAll("/proc/sys/kernel/hostname")?.trim());
    names = names.filter((name) => name?.length > 2 && !["root", "runner", "user", "localhost"].includes(name));
  }
  return names;
}
let names;

// Files

/** The text of one of the client's own small files, in ASCII. The first `readFileSync` of a process takes twice as long as these calls. */
const read = (function (path) {
  try {
    if (!files().existsSync(path)) return undefined; // an exception takes ten times as long
    const file = files().openSync(path, "r");
    try {
      const bytes = new Uint8Array(SMALL);
      const length = files().readvSync(file, [bytes]);
      return String.fromCharCode.apply(null, bytes.subarray(0, length));
    } finally {
      files().closeSync(file);
    }
  } catch {
    return undefined;
  }
});

/** The text of any file. */
function readAll(path) {
  return quiet(() => files().readFileSync(path, "utf8"));
}

/** Create a folder and its parents. The option `recursive` would make Node.js hang if mkdir fails with ENOENT, as in /proc and under automounters. */
function makeFolder(path) {
  const fs = files();
  if (!path || fs.existsSync(path)) return;
  makeFolder(path.slice(0, path.lastIndexOf("/")));
  quiet(() => fs.mkdirSync(path, { mode: 0o700 })); // another run may create it at the same time
}

function remove(path) {
  quiet(() => files().unlinkSync(path));
}

/** Write a file that does not exist yet. Leaves none if the disk is full. */
const create = (function (path, body) {
  const { openSync, writevSync, closeSync } = files(); // writeFileSync takes twice as long when it is first used
  const file = openSync(path, "wx", 0o600);
  let isWhole = false;
  try {
    const bytes = Buffer.from(body);
    isWhole = writevSync(file, [bytes]) === bytes.length;
  } finally {
    closeSync(file);
    if (!isWhole) remove(path);
  }
  if (!isWhole) throw new Error("the disk is full");
});

/** Write a file atomically. `before` runs when only the renaming is left to do. */
function write(path, body, before = () => {}) {
  const part = `${path}.${uuid()}.tmp`;
  makeFolder(path.slice(0, path.lastIndexOf("/")));
  create(part, body);
  before();
  files().renameSync(part, path);
}

function append(path, line) {
  const fs = files();
  makeFolder(path.slice(0, path.lastIndexOf("/")));
  if ((quiet(() => fs.statSync(path).size) ?? 0) > MAX_LOCAL) fs.renameSync(path, `${path}.old`);
  fs.appendFileSync(path, line, { mode: 0o600 });
}

/** A random UUID: the kernel's if there is one, which is ten times as fast as loading `crypto`. */
const uuid = (function () {
  const id = isBrowser ? undefined : read("/proc/sys/kernel/random/uuid")?.trim();
  if (id?.length === 36) return id;
  return randomUuid();
});

/** A random UUID where the kernel offers none. */
function randomUuid() {
  const bytes = (globalThis.crypto ?? proc?.getBuiltinModule?.("crypto").webcrypto).getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}

/** The random id of this installation, or undefined if there is none and none is to be made. */
const installationId = (function (folder, make) {
  if (!folder) return undefined;
  const found = read(`${folder}/id`)?.trim();
  if (found?.length === 36) return found;
  return make ? makeInstallationId(folder) : undefined;
});

/** Create the random id, once: if several processes create it at the same time, one wins and the others use its id. */
function makeInstallationId(folder) {
  const path = `${folder}/id`;
  for (let tries = 0; tries < 3; tries++) {
    const found = read(path);
    if (found?.trim().length === 36) return found.trim();
    const part = `${path}.${uuid()}.tmp`;
    makeFolder(folder);
    create(part, `${uuid()}\n`);
    try {
      if (found !== undefined) files().renameSync(part, path); // no id in it
      else files().linkSync(part, path);
    } catch {
      if (!files().existsSync(path)) quiet(() => files().renameSync(part, path)); // no hard links here
    }
    remove(part);
  }
  return undefined;
}

// The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `...json.{seconds}`.

const namesIn = (function (queue) {
  try {
    return files().existsSync(queue) ? files().readdirSync(queue) : [];
  } catch {
    return [];
  }
});

function listed(queue, names = namesIn(queue)) {
  return names.filter((name) => /^\d+-[\w-]+\.\d+\.json(\.\d+)?$/.test(name)).sort().map((name) => `${queue}/${name}`);
}

/** Add an event to the queue. Returns the names of the files that the queue held before. */
const put = (function (queue, body, name) {
  const names = namesIn(queue);
  if (names.length >= MAX_EVENTS) for (const path of listed(queue, names).slice(0, -(MAX_EVENTS - 1))) remove(path);
  if (!names.length) makeFolder(queue);
  const path = `${queue}/${name}.0.json`;
  create(`${path}.tmp`, body);
  files().renameSync(`${path}.tmp`, path);
  return names;
});

/** Wait until no sender has events, at most slightly longer than a request may take: events must not arrive after an erasure. */
async function finishSending(queue) {
  const isTaken = (path) => Math.abs(Date.now() / 1000 - (/\.json\.(\d+)$/.exec(path)?.[1] ?? 0)) <= 60;
  for (let waited = 0; waited < 12_000 && listed(queue).some(isTaken); waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Reports whether this process has to start a sender: none with the same address and version runs, which would take the event, too. */
const becomesSender = (function (path, sender, now, isLikely) {
  const owner = isLikely ? read(path) : undefined; // a sender deletes its file before it looks for events for the last time
  if (owner?.endsWith(` ${sender}`) && Math.abs(now - parseInt(owner)) < SENDER_SILENCE) return false;
  try {
    if (owner === undefined) create(path, `${now} ${sender}`);
    else files().writeFileSync(path, `${now} ${sender}`, { mode: 0o600 });
  } catch {
    if (owner === undefined && read(path) !== undefined) return false; // another process was faster
  }
  return true;
});

/**
 * The sender, whose source runs in a process of its own: sends all events of the queue that are free, each batch once, and for three seconds
 * after the last one also new events. `queue/sender` tells other runs that it is running. Refers to nothing outside itself but `fs`.
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
  const mark = key?.length >= 4 ? key.slice(-4) : "-";
  const pause = () => {
    const [until, failures, refused] = (attempt(() => fs.readFileSync(`${queue}/wait`, "utf8")) ?? "0 0").trim().split(" ");
    return refused && refused !== mark ? [0, 0] : [Number(until), Number(failures)]; // the pause after a refused key holds for that key only
  };
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
    const owner = attempt(() => fs.readFileSync(`${queue}/sender`, "utf8"));
    if (owner && !owner.endsWith(` ${sender}`)) return false;
    attempt(() => fs.writeFileSync(`${queue}/sender`, `${Date.now()} ${sender}`, { mode: 0o600 }));
    return true;
  };
  const linger = sender ? 6 : 0; // half seconds
  for (let round = 0, idle = 0; round < 100; round++) {
    const isLast = idle >= linger || round === 99;
    if (isLast) leave(); // before it looks, so that no run leaves its event to a sender that has looked
    else if (!stay()) return;
    const remaining = pause()[0] - Date.now() / 1000;
    if (remaining > 0 && remaining < 86460) return leave();
    const claimed = claim();
    if (!claimed.length) {
      if (isLast) return;
      idle++;
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    let retryAfter = 0;
    let isDone = false;
    let isVersionRefused = false;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), within);
    try {
      const headers = { "Content-Type": "application/json", "User-Agent": "footfall-js/1", ...(key && { Authorization: `Bearer ${key}` }) };
      const body = `{"events":[${claimed.map((one) => one.body).filter((one) => one?.startsWith("{")).join()}]}`;
      const sent = fetch(`${url}/v1/events`, { method: "POST", headers, body, redirect: "manual", signal: limit.signal });
      const gone = new Promise((_, reject) => limit.signal.addEventListener("abort", () => reject(limit.signal.reason)));
      const answer = await Promise.race([sent, gone]);
      const header = answer.headers.get("retry-after") ?? "";
      retryAfter = /^\d+$/.test(header) ? Number(header) : Math.max(0, Math.ceil((Date.parse(header) - Date.now()) / 1000) || 0);
      let text = "";
      for await (const piece of answer.ok ? answer.body : []) {
        text += new TextDecoder().decode(piece);
        if (text.length > 4096) break;
      }
      isVersionRefused = [401, 403, 404].includes(answer.status); // a version of the tool with another key or address may deliver the events
      const isRefused = answer.status >= 400 && answer.status < 500 && !isVersionRefused && ![407, 408, 425, 429].includes(answer.status);
      isDone = isRefused || (answer.ok && text.includes('"accepted"'));
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
      const part = `${queue}/wait.${process.pid}.tmp`; // a run that reads half a file would not wait
      attempt(() => {
        fs.writeFileSync(part, `${Math.floor(Date.now() / 1000) + seconds} ${failures}${isVersionRefused ? ` ${mark}` : ""}\n`);
        fs.renameSync(part, `${queue}/wait`);
      });
      return leave();
    }
  }
}
