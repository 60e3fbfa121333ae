package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/pki"
)

// Files in the data directory that others read.
const (
	// CAFile is the certificate that signs everything of this member. The hub
	// pins it for its probe of /readyz.
	CAFile = "pki/ca.crt"
	// AdminKubeconfig gives every right.
	AdminKubeconfig = "admin.kubeconfig"
	// AgentKubeconfig is the member agent's; its rights come from the
	// ClusterRoleBinding hansa:agent.
	AgentKubeconfig = "agent.kubeconfig"
)

// Files that only this package reads.
const (
	managerKubeconfig     = "kubeconfig/controller-manager.kubeconfig"
	schedulerKubeconfig   = "kubeconfig/scheduler.kubeconfig"
	volumesKubeconfig     = "kubeconfig/volumes.kubeconfig"
	nodesKubeconfig       = "kubeconfig/nodes.kubeconfig"
	authenticationFile    = "authentication.yaml"
	groupMasters          = "system:masters"
	userAgent             = "hansa:agent"
	userNodes             = "hansa:simulated-nodes"
	userControllerManager = "system:kube-controller-manager"
	userScheduler         = "system:kube-scheduler"
	userDNS               = "hansa:dns"
	userVolumes           = "hansa:volumes"
)

// pairFiles names the files of a certificate and its key.
type pairFiles struct {
	certificate, key string
}

// The pairs that the API server uses.
var (
	caFiles          = pairFiles{CAFile, "pki/ca.key"}
	proxyCAFiles     = pairFiles{"pki/front-proxy-ca.crt", "pki/front-proxy-ca.key"}
	proxyClientFiles = pairFiles{"pki/front-proxy-client.crt", "pki/front-proxy-client.key"}
	serverFiles      = pairFiles{"pki/apiserver.crt", "pki/apiserver.key"}
	tokenFiles       = pairFiles{"pki/service-account.pub", "pki/service-account.key"}
	// kubeletClientFiles are those by which kubelets know the API server.
	kubeletClientFiles = pairFiles{"pki/kubelet-client.crt", "pki/kubelet-client.key"}
)

// identity is a user of the API server with the kubeconfig it is given.
type identity struct {
	file   string
	user   string
	groups []string
}

// identities lists every user. The controller manager runs all controllers
// under one identity, so it needs every right.
func identities() []identity {
	return []identity{
		{AdminKubeconfig, "hansa:admin", []string{groupMasters}},
		{AgentKubeconfig, userAgent, nil},
		{managerKubeconfig, userControllerManager, []string{groupMasters}},
		{schedulerKubeconfig, userScheduler, nil},
		{nodesKubeconfig, userNodes, nil},
		{volumesKubeconfig, userVolumes, nil},
	}
}

// writeIdentities creates what is missing of the member's keys and writes the
// certificates and kubeconfigs anew, for the API server as it is served. It returns
// the administrator's client configuration.
func writeIdentities(dir *datadir.Dir, member string, at served) (*rest.Config, error) {
	authority, err := openAuthority(dir, member, caFiles)
	if err != nil {
		return nil, err
	}
	proxy, err := openAuthority(dir, member+" front proxy", proxyCAFiles)
	if err != nil {
		return nil, err
	}
	addresses, err := at.addresses()
	if err != nil {
		return nil, err
	}
	if err := writeKeys(dir, authority, proxy, addresses); err != nil {
		return nil, err
	}
	to := endpoint{member: member, server: "https://" + at.address}
	for _, id := range identities() {
		if err := issueKubeconfig(dir, authority, id, to); err != nil {
			return nil, err
		}
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", dir.Path(AdminKubeconfig))
	if err != nil {
		return nil, fmt.Errorf("read administrator's kubeconfig: %w", err)
	}
	return cfg, nil
}

// served says how an API server is reached.
type served struct {
	address, serviceCIDR string
	gateway              netip.Addr // where nodes reach it; invalid when they are simulated
}

// addresses are those by which clients reach the API server: its own, the loopback,
// the ClusterIP of the Service "kubernetes", and the gateway.
func (s served) addresses() ([]net.IP, error) {
	at, err := netip.ParseAddrPort(s.address)
	if err != nil {
		return nil, fmt.Errorf("parse address of the API server: %w", err)
	}
	service, err := netip.ParsePrefix(s.serviceCIDR)
	if err != nil {
		return nil, fmt.Errorf("parse serviceCIDR: %w", err)
	}
	out := []net.IP{net.IPv4(127, 0, 0, 1), net.IP(service.Addr().Next().AsSlice())}
	if !at.Addr().IsLoopback() {
		out = append(out, at.Addr().AsSlice())
	}
	if s.gateway.IsValid() {
		out = append(out, s.gateway.AsSlice())
	}
	return out, nil
}

func openAuthority(dir *datadir.Dir, name string, files pairFiles) (*pki.Authority, error) {
	pair, err := openPair(dir, files, func() (pki.Pair, error) {
		authority, err := pki.NewAuthority(name, time.Now())
		if err != nil {
			return pki.Pair{}, err
		}
		return authority.Pair(), nil
	})
	if err != nil {
		return nil, err
	}
	authority, err := pki.ParseAuthority(pair)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir.Path(files.certificate), err)
	}
	if time.Now().After(authority.NotAfter()) {
		return nil, fmt.Errorf("%s expired on %s: create the member anew",
			dir.Path(files.certificate), authority.NotAfter().Format(time.DateOnly))
	}
	return authority, nil
}

// openPair reads a pair, or makes and stores it. The certificate is written
// last, so that a crash in between makes a new pair and no half of one.
func openPair(dir *datadir.Dir, files pairFiles, create func() (pki.Pair, error)) (pki.Pair, error) {
	certificate, err := dir.ReadOrWrite(files.certificate, func() ([]byte, error) {
		pair, err := create()
		if err != nil {
			return nil, err
		}
		return pair.Certificate, dir.Write(files.key, pair.Key)
	})
	if err != nil {
		return pki.Pair{}, fmt.Errorf("open %s: %w", dir.Path(files.certificate), err)
	}
	key, err := dir.Read(files.key)
	if err != nil {
		return pki.Pair{}, fmt.Errorf("open private key: %w", err)
	}
	return pki.Pair{Certificate: certificate, Key: key}, nil
}

func writeKeys(dir *datadir.Dir, authority, proxy *pki.Authority, served []net.IP) error {
	if _, err := openPair(dir, tokenFiles, pki.NewKeyPair); err != nil {
		return err
	}
	server := pki.Request{
		CommonName: "kube-apiserver",
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
		IPs: served,
	}
	if err := issue(dir, authority, server, serverFiles); err != nil {
		return err
	}
	kubelets := pki.Request{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{groupMasters}}
	if err := issue(dir, authority, kubelets, kubeletClientFiles); err != nil {
		return err
	}
	client := pki.Request{CommonName: "front-proxy-client"}
	return issue(dir, proxy, client, proxyClientFiles)
}

func issue(dir *datadir.Dir, authority *pki.Authority, request pki.Request, files pairFiles) error {
	pair, err := authority.Issue(request)
	if err != nil {
		return err
	}
	if err := dir.Write(files.key, pair.Key); err != nil {
		return err
	}
	return dir.Write(files.certificate, pair.Certificate)
}

// endpoint is what every kubeconfig of a member points to.
type endpoint struct {
	member, server string
}

func issueKubeconfig(dir *datadir.Dir, authority *pki.Authority, id identity, to endpoint) error {
	data, err := newKubeconfig(authority, id, to)
	if err != nil {
		return err
	}
	return dir.Write(id.file, data)
}

func newKubeconfig(authority *pki.Authority, id identity, to endpoint) ([]byte, error) {
	pair, err := authority.Issue(pki.Request{CommonName: id.user, Organizations: id.groups})
	if err != nil {
		return nil, err
	}
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[to.member] = &clientcmdapi.Cluster{
		Server:                   to.server,
		CertificateAuthorityData: authority.Pair().Certificate,
	}
	cfg.AuthInfos[id.user] = &clientcmdapi.AuthInfo{
		ClientCertificateData: pair.Certificate,
		ClientKeyData:         pair.Key,
	}
	cfg.Contexts[to.member] = &clientcmdapi.Context{Cluster: to.member, AuthInfo: id.user}
	cfg.CurrentContext = to.member
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of %s: %w", id.user, err)
	}
	return data, nil
}
