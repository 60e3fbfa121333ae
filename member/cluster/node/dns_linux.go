package node

import (
	"context"
	"fmt"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind"       // named in corefile
	_ "github.com/coredns/coredns/plugin/errors"     // named in corefile
	_ "github.com/coredns/coredns/plugin/kubernetes" // named in corefile
	"k8s.io/klog/v2"
)

// corefile answers for the cluster, and for the clusterset from the ServiceImports
// of the cluster. Nothing is forwarded: the network of nodes ends at this machine.
const corefile = `cluster.local:53 clusterset.local:53 in-addr.arpa:53 {
  bind %s
  errors
  kubernetes cluster.local clusterset.local in-addr.arpa {
    kubeconfig %s
    multicluster clusterset.local
    pods insecure
    ttl 5
  }
}
`

// runDNS serves DNS until ctx ends.
func runDNS(ctx context.Context, c Config) error {
	if err := dnsserver.Register(); err != nil {
		return fmt.Errorf("register DNS server: %w", err)
	}
	caddy.Quiet, dnsserver.Quiet = true, true
	input := caddy.CaddyfileInput{
		Contents: fmt.Appendf(nil, corefile, DNSAddress, c.file(FileDNS)), Filepath: "Corefile", ServerTypeName: "dns",
	}
	server, err := caddy.Start(input)
	if err != nil {
		return fmt.Errorf("start DNS server: %w", err)
	}
	klog.ClearLogger() // CoreDNS took what Kubernetes logs, of the whole process
	<-ctx.Done()
	return server.Stop()
}
