package hubbus

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/messaging/nats"
)

// KeyCommands are what is asked of a hub's keys while the hub does not run.
func KeyCommands() []*cobra.Command {
	return []*cobra.Command{
		keysCommand("credentials", "Print credentials with which a gateway in a process of its own reaches the bus of this hub", printCredentials),
		keysCommand("keys", "Make the keys of the bus, which every hub of a cluster needs, unless they are there", makeKeys),
	}
}

// keysCommand is a command about the keys in a hub's configuration.
func keysCommand(name, short string, run func(io.Writer, configs.Hub) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   name + " --config FILE",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := configs.LoadHub(file)
			if err != nil {
				return err
			}
			return run(cmd.OutOrStdout(), c)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file of the hub")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag was defined a line above
	}
	return cmd
}

// printCredentials signs a gateway's user with the keys of a hub.
func printCredentials(out io.Writer, c configs.Hub) error {
	keys, err := openKeys(c)
	if err != nil {
		return err
	}
	credentials, err := keys.Credentials(nats.GatewayRole)
	if err != nil {
		return err
	}
	text, err := credentials.Encode()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func makeKeys(out io.Writer, c configs.Hub) error {
	if _, err := nats.MakeKeys(c.Bus.KeysDir); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s has the keys of the bus: copy it to every other hub, and nowhere else\n", c.Bus.KeysDir)
	return err
}

// openKeys makes the keys of a hub that is alone. One of several gets them from another.
func openKeys(c configs.Hub) (*nats.Keys, error) {
	if c.Bus.Cluster.Listen == "" && !c.Bus.Outside() {
		return nats.MakeKeys(c.Bus.KeysDir)
	}
	return nats.ReadKeys(c.Bus.KeysDir)
}
