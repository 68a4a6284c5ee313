// Copy footfall.rs to src/footfall.rs.
mod footfall;

use footfall::{Event, Footfall, Options};

fn main() {
    let options = Options { version: "1.4.0", key: "", command: "mytool telemetry", ..Default::default() };
    let telemetry = Footfall::new("mytool", "https://stats.example.com", options); // the first thing in `main`
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().map_or(false, |word| word == "telemetry") {
        std::process::exit(telemetry.cli(&words[1..])); // status, on, local, off, show, erase
    }
    let command = telemetry.start("build", words.into_iter()); // names of flags
    let result = build(&telemetry);
    command.end(&result); // duration, outcome, error type
    std::process::exit(result.is_err() as i32);
}

fn build(telemetry: &Footfall) -> Result<(), std::io::Error> {
    telemetry.track("cache", Event::new().success().property("hits", 3.0)); // and whatever else you ask yourself
    println!("built");
    Ok(())
}
