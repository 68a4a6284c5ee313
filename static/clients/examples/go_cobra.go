package main

import (
	"os"

	"mytool/footfall"

	"github.com/spf13/cobra"
)

var telemetry = footfall.New("mytool", "https://stats.example.com", footfall.Options{Version: "1.4.0", Key: "", Command: "mytool telemetry"})

func main() {
	var running *footfall.Command
	root := &cobra.Command{Use: "mytool", SilenceUsage: true}
	root.PersistentPreRun = func(command *cobra.Command, _ []string) {
		if command.Name() != "telemetry" {
			running = telemetry.Start(command.Name(), os.Args[1:])
		}
	}
	build := &cobra.Command{Use: "build", RunE: func(command *cobra.Command, _ []string) error {
		command.Println("built")
		return nil
	}}
	build.Flags().Bool("watch", false, "build again when a file changes")
	choice := &cobra.Command{Use: "telemetry", Run: func(_ *cobra.Command, words []string) { os.Exit(telemetry.CLI(words)) }}
	root.AddCommand(build, choice)

	err := root.Execute()
	if running != nil {
		running.End(err)
	}
	if err != nil {
		os.Exit(1)
	}
}
