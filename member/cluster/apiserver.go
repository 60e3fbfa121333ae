package cluster

import (
	"context"
	"fmt"
	"net"
	"slices"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/hansa-io/hansa/member/cluster/datadir"
)

// authentication lets requests without a certificate ask for health and for
// nothing else.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// apiServer is a kube-apiserver that is about to run.
type apiServer struct {
	dir         *datadir.Dir
	listener    net.Listener
	etcd        string // endpoint
	serviceCIDR string
	// advertised is where pods find the API server; empty when pods are simulated.
	advertised string
	// emulated is the version of Kubernetes that is offered; empty: the present one.
	// What it says counts for the scheduler and the controllers too, which share the
	// registry of versions and feature gates with the API server in this process.
	emulated string
}

// run serves until ctx ends and open requests have ended.
func (a apiServer) run(ctx context.Context) error {
	if err := a.dir.Write(authenticationFile, []byte(authentication)); err != nil {
		return err
	}
	opts := options.NewServerRunOptions()
	if err := parseFlags("kube-apiserver", opts.Flags(), a.flags()); err != nil {
		return err
	}
	opts.SecureServing.Listener = a.listener
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	completed, err := opts.Complete(ctx)
	if err != nil {
		return fmt.Errorf("complete options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("validate options: %w", utilerrors.NewAggregate(errs))
	}
	return app.Run(ctx, completed)
}

// address is where the listener is, without its port.
func (a apiServer) address() string { return a.listener.Addr().(*net.TCPAddr).IP.String() }

// flags end a stopping server quickly: watches are closed at once, and the
// listener two seconds after the last request at most.
func (a apiServer) flags() []string {
	return slices.Concat(a.reach(), a.emulation(), []string{
		"--etcd-servers=" + a.etcd,
		"--bind-address=" + a.address(),
		"--service-cluster-ip-range=" + a.serviceCIDR,
		"--authorization-mode=Node,RBAC",
		"--authentication-config=" + a.dir.Path(authenticationFile),
		"--client-ca-file=" + a.dir.Path(CAFile),
		"--tls-cert-file=" + a.dir.Path(serverFiles.certificate),
		"--tls-private-key-file=" + a.dir.Path(serverFiles.key),
		"--tls-min-version=VersionTLS13",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + a.dir.Path(tokenFiles.certificate),
		"--service-account-signing-key-file=" + a.dir.Path(tokenFiles.key),
		"--requestheader-client-ca-file=" + a.dir.Path(proxyCAFiles.certificate),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + a.dir.Path(proxyClientFiles.certificate),
		"--proxy-client-key-file=" + a.dir.Path(proxyClientFiles.key),
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--profiling=false",
		"--shutdown-send-retry-after=true",
		"--shutdown-watch-termination-grace-period=1s",
	})
}

func (a apiServer) emulation() []string {
	if a.emulated == "" {
		return nil
	}
	return []string{"--emulated-version=" + a.emulated}
}

// reach says how pods find the API server, and how that finds kubelets.
func (a apiServer) reach() []string {
	if a.advertised == "" {
		return []string{"--advertise-address=" + a.address(), "--endpoint-reconciler-type=none"}
	}
	return []string{
		"--advertise-address=" + a.advertised,
		"--endpoint-reconciler-type=lease",
		"--kubelet-certificate-authority=" + a.dir.Path(CAFile),
		"--kubelet-client-certificate=" + a.dir.Path(kubeletClientFiles.certificate),
		"--kubelet-client-key=" + a.dir.Path(kubeletClientFiles.key),
		"--kubelet-preferred-address-types=InternalIP",
	}
}
