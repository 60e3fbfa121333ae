package configs

import "embed"

// Local is the default file of "hansa up".
//
//go:embed local.yaml
var Local []byte

