import argparse
import sys

from footfall import Footfall

telemetry = Footfall("mytool", "https://stats.example.com", version="1.4.0", key="", command="mytool telemetry")

parser = argparse.ArgumentParser(prog="mytool")
commands = parser.add_subparsers(dest="command", required=True)
build = commands.add_parser("build")
build.add_argument("--watch", action="store_true")
build.set_defaults(run=lambda given: print("built"))
choice = commands.add_parser("telemetry")
choice.add_argument("verb", nargs="?", default="status")
choice.set_defaults(run=lambda given: telemetry.cli([given.verb]))

given = parser.parse_args()
if given.command == "telemetry":
    sys.exit(given.run(given))
with telemetry.command(given.command, flags=sys.argv[2:]):
    sys.exit(given.run(given))
