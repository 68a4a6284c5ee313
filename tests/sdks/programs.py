"""Programs that send one event with an SDK, unmodified."""

from __future__ import annotations

from typing import NamedTuple

POSTHOG_PY = """
import sys, posthog
client = posthog.Posthog(sys.argv[2], host=sys.argv[1], max_retries=1, flush_interval=0.1)
{call}
client.shutdown()
"""
SEGMENT_PY = """
import sys
{load}
analytics.write_key, analytics.max_retries = sys.argv[2], 1
analytics.identify(anonymous_id="inst-1", traits={{"version": "1.2.3"}})
analytics.track(anonymous_id="inst-1", event="build", properties={{"command": "x"}},
                context={{"app": {{"version": "1.2.3"}}, "os": {{"name": "Linux"}}}})
analytics.shutdown()
"""
POSTHOG_JS = """
const { PostHog } = require("posthog-node")
const client = new PostHog(process.argv[3], { host: process.argv[2], fetchRetryCount: 0 })
client.capture({ distinctId: "inst-1", event: "build", properties: { version: "1.2.3", command: "x" } })
client.shutdown().then(() => {})
"""
SEGMENT_JS = """
const { Analytics } = require("@segment/analytics-node")
const client = new Analytics({ host: process.argv[2], writeKey: process.argv[3], maxRetries: 0 })
client.on("error", () => {})
client.track({ anonymousId: "inst-1", event: "build", properties: { command: "x" },
  context: { app: { version: "1.2.3" }, os: { name: "Linux" } } })
client.closeAndFlush({ timeout: 5000 })
"""
RUDDER_JS = """
const Analytics = require("@rudderstack/rudder-sdk-node")
const client = new Analytics(process.argv[3], { dataPlaneUrl: process.argv[2], maxRetries: 0 })
client.track({ anonymousId: "inst-1", event: "build", properties: { command: "x" },
  context: { app: { version: "1.2.3" }, os: { name: "Linux" } } })
client.flush(() => process.exit(0))
"""
OTLP_PY = """
import sys
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
resource = Resource.create({"service.version": "1.2.3", "os.type": "linux", "process.runtime.name": "cpython", "process.runtime.version": "3.11.7"})
provider = LoggerProvider(resource=resource)
exporter = OTLPLogExporter(sys.argv[1] + "/v1/logs", headers={"authorization": "Bearer " + sys.argv[2]}, compression=Compression.Gzip)
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("mycli")
logger.emit(LogRecord(event_name="build", attributes={"app.installation.id": "inst-1", "process.exit.code": 0}))
logger.emit(LogRecord(body="an ordinary log"))
provider.shutdown()
"""
OTLP_JS = """
const { LoggerProvider, SimpleLogRecordProcessor } = require("@opentelemetry/sdk-logs")
const { resourceFromAttributes } = require("@opentelemetry/resources")
const { OTLPLogExporter } = require("{package}")
const exporter = new OTLPLogExporter({ url: process.argv[2] + "/v1/logs", headers: { authorization: "Bearer " + process.argv[3] } })
const resource = resourceFromAttributes({
  "service.version": "1.2.3", "os.type": "linux", "process.runtime.name": "nodejs", "process.runtime.version": "v20.20.2" })
const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter })] })
provider.getLogger("mycli").emit({ eventName: "build", attributes: { "app.installation.id": "inst-1", "process.exit.code": 0 } })
provider.shutdown().catch(() => {})
"""
APTABASE_PY = """
import asyncio, sys
from aptabase import Aptabase
async def main():
    client = Aptabase(sys.argv[2], app_version="1.2.3", base_url=sys.argv[1])
    await client.start()
    await client.track("build", {"command": "x"})
    await client.stop()
asyncio.run(main())
"""
APTABASE_JS = """
const { init, trackEvent } = require("@aptabase/web")
init(process.argv[3], { host: process.argv[2], appVersion: "1.2.3" })
trackEvent("build", { command: "x" })
"""
OPENPANEL_JS = """
const { OpenPanel } = require("@openpanel/sdk")
const client = new OpenPanel({ clientId: process.argv[3], clientSecret: "secret", apiUrl: process.argv[2] })
client.setGlobalProperties({ version: "1.2.3", os: process.platform })
client.identify({ profileId: "inst-1", firstName: "Ada" })
client.track("build", { command: "x" })
"""
AMPLITUDE_PY = """
import sys
from amplitude import Amplitude, BaseEvent, Config
client = Amplitude(sys.argv[2], Config(server_url=sys.argv[1] + "/2/httpapi", flush_interval_millis=100, flush_max_retries=2))
client.track(BaseEvent("build", device_id="inst-1", app_version="1.2.3", os_name="Linux", event_properties={"command": "x"}))
client.shutdown()
"""
UMAMI_JS = """
const umami = require("@umami/node").default
umami.init({ websiteId: process.argv[3], hostUrl: process.argv[2] })
umami.track("build", { version: "1.2.3", os: "linux", command: "x" }).catch(() => {})
umami.identify({ os: "linux" }).catch(() => {})
"""
# The tracker is for pages: the program has the parts of a browser that it uses.
PLAUSIBLE_JS = """
globalThis.location = { href: "https://tool.example/a?token=private", hostname: "tool.example" }
globalThis.document = { referrer: "https://search.example/?q=private" }
globalThis.window = { innerWidth: 800 }
globalThis.XMLHttpRequest = class {
  open(method, url) { Object.assign(this, { method, url, headers: {} }) }
  setRequestHeader(name, value) { this.headers[name] = value }
  send(body) { fetch(this.url, { method: this.method, headers: this.headers, body }).then(() => this.onreadystatechange(), () => {}) }
}
const client = require("plausible-tracker").default({ domain: process.argv[3], apiHost: process.argv[2] })
client.trackEvent("build", { props: { version: "1.2.3", os: "linux", command: "x" } })
"""
_NEW = 'client.capture("build", distinct_id="inst-1", properties={"version": "1.2.3", "command": "x"})'
_OLD = 'client.capture("inst-1", "build", {"version": "1.2.3", "command": "x"})'
_RUDDER = "import rudderstack.analytics as analytics; analytics.dataPlaneUrl = sys.argv[1]"

_APTABASE_KEY = "A-SH-{:.10}"  # its SDKs accept no other form


class Sdk(NamedTuple):
    """A package and a program that sends one event `build` with it. `os` is None if the SDK sends no system."""

    package: str
    program: str
    dialect: str
    runtime: str
    os: str | None = "linux"
    has_install: bool = True
    also: tuple[str, ...] = ()  # packages that are installed with it
    key: str = "wk_{}-key"
    is_site: bool = False  # the key names a site of the project


SDKS = (
    Sdk("posthog", POSTHOG_PY.format(call=_NEW), "posthog", "python 3."),
    Sdk("posthog==5.4.0", POSTHOG_PY.format(call=_OLD), "posthog", "python 3."),
    Sdk("posthog==3.25.0", POSTHOG_PY.format(call=_OLD), "posthog", "python 3."),
    Sdk(
        "segment-analytics-python",
        SEGMENT_PY.format(load="import segment.analytics as analytics; analytics.host = sys.argv[1]"),
        "segment",
        "analytics-python ",
    ),
    Sdk("rudder-sdk-python", SEGMENT_PY.format(load=_RUDDER), "segment", ""),
    Sdk("posthog-node", POSTHOG_JS, "posthog", "posthog-node ", None),
    Sdk("posthog-node@4", POSTHOG_JS, "posthog", "posthog-node 4.", None),
    Sdk("@segment/analytics-node", SEGMENT_JS, "segment", "node "),
    Sdk("@rudderstack/rudder-sdk-node", RUDDER_JS, "segment", "node "),
    Sdk("opentelemetry-exporter-otlp-proto-http", OTLP_PY, "otlp", "python 3."),
    *(
        Sdk(package, OTLP_JS.replace("{package}", package), "otlp", "node 2", also=("@opentelemetry/sdk-logs", "@opentelemetry/resources"))
        for package in ("@opentelemetry/exporter-logs-otlp-http", "@opentelemetry/exporter-logs-otlp-proto")
    ),
    Sdk("aptabase", APTABASE_PY, "aptabase", "aptabase-python ", has_install=False, key=_APTABASE_KEY),
    Sdk("@aptabase/web", APTABASE_JS, "aptabase", "aptabase-web ", None, has_install=False, key=_APTABASE_KEY),
    Sdk("@openpanel/sdk", OPENPANEL_JS, "openpanel", "openpanel-node "),
    Sdk("amplitude-analytics", AMPLITUDE_PY, "amplitude", "amplitude-python "),
    Sdk("@umami/node", UMAMI_JS, "umami", "", has_install=False, is_site=True),
    Sdk("plausible-tracker", PLAUSIBLE_JS, "plausible", "", has_install=False, key="{:.40}.example", is_site=True),
)
