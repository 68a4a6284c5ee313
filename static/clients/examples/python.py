# Copy footfall.py into your package. In the module that runs every command:
import sys

from footfall import Footfall

telemetry = Footfall("mytool", "https://stats.example.com", version="1.4.0", key="", command="mytool telemetry")


@telemetry.command("build", flags=sys.argv[1:])  # duration, outcome, error type, names of flags
def build():
    telemetry.track("cache", outcome="success", properties={"hits": 3})  # and whatever else you ask yourself
    print("built")


if __name__ == "__main__":
    if sys.argv[1:2] == ["telemetry"]:  # status, on, local, off, show, erase
        sys.exit(telemetry.cli(sys.argv[2:]))
    build()
