import { Command } from "commander";
import { Footfall } from "./footfall.js";

const telemetry = new Footfall("mytool", "https://stats.example.com", { version: "1.4.0", key: "", command: "mytool telemetry" });
const program = new Command("mytool");

// The event is recorded when the process ends, with its exit code or the error that ended it.
program.hook("preAction", (_, command) => {
  if (command.name() !== "telemetry") telemetry.start(command.name(), process.argv.slice(2));
});
program.command("build").option("--watch").action(() => console.log("built"));
program.command("telemetry [verb]").action(async (verb = "status") => {
  process.exitCode = await telemetry.cli([verb]);
});

await program.parseAsync();
