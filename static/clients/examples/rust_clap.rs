mod footfall;

use clap::{Parser, Subcommand};
use footfall::{Footfall, Options};

#[derive(Parser)]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build {
        #[arg(long)]
        watch: bool,
    },
    Telemetry { words: Vec<String> },
}

fn main() {
    let options = Options { version: "1.4.0", key: "", command: "mytool telemetry", ..Default::default() };
    let telemetry = Footfall::new("mytool", "https://stats.example.com", options); // before clap reads anything
    let flags = std::env::args().skip(1);
    match Words::parse().command {
        Command::Telemetry { words } => std::process::exit(telemetry.cli(&words)),
        Command::Build { watch: _ } => {
            let command = telemetry.start("build", flags);
            let result: Result<(), std::io::Error> = Ok(println!("built"));
            command.end(&result);
        }
    }
}
