// In a page that has a notice of its own, on any origin:
import { Footfall } from "https://stats.example.com/clients/footfall.js";

const telemetry = new Footfall("mytool", "https://stats.example.com", { version: "1.4.0", key: "", notice: false });
telemetry.track("download", { target: { type: "file", id: "mytool-1.4.0.tar.gz" } });
