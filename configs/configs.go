package configs

import "embed"

// Local is the default file of "hansa up".
//
//go:embed local.yaml
var Local []byte

// Samples holds the samples, by path below this directory ("samples/shop").
//
//go:embed samples
var Samples embed.FS
