package hubbus

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/messaging/nats"
)

// KeyCommands are what is asked of a hub's keys while the hub does not run.
func KeyCommands() []*cobra.Command {
	var name string
	var ttl time.Duration
	credentials := keysCommand("credentials", "Print credentials with which a gateway in a process of its own reaches the bus of this hub", func(out io.Writer, c configs.Hub) error {
		return printCredentials(out, c, name, ttl)
	})
	credentials.Flags().StringVar(&name, "name", "", "of the gateway: each has its own, and one that runs takes new credentials for its own only")
	if err := credentials.MarkFlagRequired("name"); err != nil {
		panic(err) // the flag was defined a line above
	}
	credentials.Flags().DurationVar(&ttl, "ttl", 0, "how long they can be used; 0: for ever. A gateway reads its file again when that changes")
	return []*cobra.Command{
		credentials,
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
func printCredentials(out io.Writer, c configs.Hub, name string, ttl time.Duration) error {
	if ttl < 0 {
		return fmt.Errorf("--ttl %s: want a time to come, for example 720h", ttl)
	}
	keys, err := openKeys(c)
	if err != nil {
		return err
	}
	credentials, err := keys.GatewayCredentials(name, ttl)
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
