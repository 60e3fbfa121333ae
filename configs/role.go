package configs

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Role makes the command of a role: "hansa NAME --config FILE [--check]". With
// --check it prints the effective configuration and stops.
func Role[C any](name, short string, load func(path string) (C, error), run func(context.Context, C) error) *cobra.Command {
	var file string
	var check bool
	cmd := &cobra.Command{
		Use:   name + " --config FILE",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(file)
			if err != nil {
				return err
			}
			if !check {
				return run(cmd.Context(), c)
			}
			b, err := yaml.Marshal(c)
			if err != nil {
				return fmt.Errorf("print the configuration: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file")
	cmd.Flags().BoolVar(&check, "check", false, "print the effective configuration and stop")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was defined three lines above
	}
	return cmd
}
