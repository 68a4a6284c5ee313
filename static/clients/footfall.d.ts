/** Types of footfall.js, Footfall's client for JavaScript. */

export interface Options {
  /** The tool's version. */
  version?: string;
  /** A write key, if the project requires one. */
  key?: string;
  /** The tool's own telemetry command as users type it ("mytool telemetry"): the notice names it. */
  command?: string;
  /** A page about the data sent: the notice names it. */
  about?: string;
  /** `false`: users are informed elsewhere, before the first run. In browsers: the page itself shows a notice. */
  notice?: boolean;
  environment?: "person" | "ci" | "container" | "development" | "test";
  installSource?: string;
  packageManager?: string;
  /** The share of events that is sent, chosen at random: 0.1 is one in ten. All by default. */
  sampleRate?: number;
}

export interface Fields {
  outcome?: "success" | "failure";
  duration_ms?: number;
  error?: unknown;
  target?: { type: string; id: string };
  session_id?: string;
  properties?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface State {
  state: "on" | "local" | "off";
  reason: string;
}

export interface Command {
  /** Record the command's event: a success, or a failure with the error. */
  end(error?: unknown): void;
}

export class Footfall {
  readonly tool: string;
  readonly url: string;
  readonly options: Options;
  /** `url` is the server's address, with `/p/PROJECT` if the project has one. */
  constructor(tool: string, url: string, options?: Options);
  /** Record one event. Never throws, never waits. */
  track(name: string, fields?: Fields): void;
  /** Begin a command: its event is recorded by `end`, or else when the process ends, with its exit code. `flags` are kept by name only. */
  start(name: string, flags?: readonly string[]): Command;
  /** Run a function, synchronous or not, as a command: its result or exception is passed on. */
  run<T>(name: string, work: () => T, flags?: readonly string[]): T;
  state(): State;
  /** The event as it is sent. */
  event(name: string, fields?: Fields): Record<string, unknown>;
  /** Store the user's choice. Returns whether it was stored. */
  choose(choice: "on" | "local" | "off"): boolean;
  /** The tool's `telemetry` command: status, on, local, off, show, erase. Prints; resolves to the exit code. */
  cli(args: readonly string[]): Promise<number>;
  /** Ask the server to erase this installation, and forget its id. */
  erase(): Promise<boolean>;
}
