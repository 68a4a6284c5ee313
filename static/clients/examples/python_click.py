# Typer is the same: `@app.callback()` instead of `@click.group()`, and `context: typer.Context`.
import sys

import click
from footfall import Footfall

telemetry = Footfall("mytool", "https://stats.example.com", version="1.4.0", key="", command="mytool telemetry")


@click.group()
@click.pass_context
def main(context):
    if context.invoked_subcommand != "telemetry":
        context.with_resource(telemetry.command(context.invoked_subcommand, flags=sys.argv[1:]))


@main.command()
@click.option("--watch", is_flag=True)
def build(watch):
    click.echo("built")


@main.command(name="telemetry")
@click.argument("verb", default="status")
@click.pass_context
def choice(context, verb):
    context.exit(telemetry.cli([verb]))


if __name__ == "__main__":
    main()
