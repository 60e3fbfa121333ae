package simulated

import (
	"fmt"

	"sigs.k8s.io/kwok/pkg/utils/cel"
)

// warm fills the table of types that all expressions of kwok share. It has no lock, and
// kwok's workers would write to it at the same time when each meets its first object.
func warm() error {
	_, err := cel.NewEnvironment(cel.EnvironmentConfig{
		Types: cel.DefaultTypes, Conversions: cel.DefaultConversions,
		Funcs: cel.DefaultFuncs, Methods: cel.FuncsToMethods(cel.DefaultFuncs),
	})
	if err != nil {
		return fmt.Errorf("prepare the expressions of kwok's stages: %w", err)
	}
	return nil
}
