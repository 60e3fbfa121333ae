package cluster

import (
	"fmt"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// parseFlags applies arguments to the options of a Kubernetes component, whose
// flags are its most stable interface.
func parseFlags(component string, sets cliflag.NamedFlagSets, arguments []string) error {
	flags := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, name := range sets.Order {
		flags.AddFlagSet(sets.FlagSets[name])
	}
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("parse flags of %s: %w", component, err)
	}
	return nil
}
