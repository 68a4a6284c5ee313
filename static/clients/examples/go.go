// Copy footfall.go into a folder `footfall` of your module.
package main

import (
	"fmt"
	"os"

	"mytool/footfall"
)

var telemetry = footfall.New("mytool", "https://stats.example.com", footfall.Options{Version: "1.4.0", Key: "", Command: "mytool telemetry"})

func main() {
	if len(os.Args) > 1 && os.Args[1] == "telemetry" { // status, on, local, off, show, erase
		os.Exit(telemetry.CLI(os.Args[2:]))
	}
	command := telemetry.Start("build", os.Args[1:]) // names of flags
	err := build()
	command.End(err) // duration, outcome, error type
	if err != nil {
		os.Exit(1)
	}
}

func build() error {
	telemetry.Track("cache", footfall.Fields{"outcome": "success", "properties": map[string]any{"hits": 3}}) // and whatever else you ask yourself
	fmt.Println("built")
	return nil
}
