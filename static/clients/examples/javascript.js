// Copy footfall.js (and footfall.d.ts) beside it. In the module that runs every command:
import { Footfall } from "./footfall.js";

const telemetry = new Footfall("mytool", "https://stats.example.com", { version: "1.4.0", key: "", command: "mytool telemetry" });
const words = process.argv.slice(2);

if (words[0] === "telemetry") process.exit(await telemetry.cli(words.slice(1))); // status, on, local, off, show, erase

// Duration, outcome, error type, names of flags. The function passed to `run` may be asynchronous.
await telemetry.run("build", async () => console.log("built"), words);
telemetry.track("cache", { outcome: "success", properties: { hits: 3 } }); // and whatever else you ask yourself
