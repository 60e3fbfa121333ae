package configs

import _ "embed" // for the directives below

// Local is the default file of "hansa up".
//
//go:embed local.yaml
var Local []byte
