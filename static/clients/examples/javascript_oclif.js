// src/hooks/prerun.js, named in package.json: "oclif": { "hooks": { "prerun": "./src/hooks/prerun.js" } }
import { Footfall } from "./footfall.js";

const telemetry = new Footfall("mytool", "https://stats.example.com", { version: "1.4.0", key: "", command: "mytool telemetry" });

export default async function prerun({ Command, argv }) {
  if (Command.id !== "telemetry") telemetry.start(Command.id, argv);
}
