package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	"k8s.io/utils/ptr"

	"github.com/spf13/pflag"
)

// beat is how often the kubelet renews its lease, a quarter of it: short, so
// that a drill does not take minutes.
const leaseSeconds = 8

// runKubelet runs the kubelet until ctx ends.
func runKubelet(ctx context.Context, c Config) error {
	flags := options.NewKubeletFlags()
	set := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	flags.AddFlags(set)
	if err := set.Parse(kubeletFlags(c)); err != nil {
		return fmt.Errorf("parse flags of the kubelet: %w", err)
	}
	config, err := options.NewKubeletConfiguration()
	if err != nil {
		return fmt.Errorf("create configuration of the kubelet: %w", err)
	}
	scheme, _, err := kubeletscheme.NewSchemeAndCodecs()
	if err != nil {
		return fmt.Errorf("create scheme of the kubelet: %w", err)
	}
	versioned := kubeletConfiguration(c)
	scheme.Default(versioned)
	if err := scheme.Convert(versioned, config, nil); err != nil {
		return fmt.Errorf("convert configuration of the kubelet: %w", err)
	}
	server := &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}
	dependencies, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return fmt.Errorf("create dependencies of the kubelet: %w", err)
	}
	return app.Run(ctx, server, dependencies, utilfeature.DefaultFeatureGate)
}

func kubeletFlags(c Config) []string {
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, key+"="+c.Labels[key])
	}
	return []string{
		"--kubeconfig=" + c.file(FileKubelet),
		"--hostname-override=" + c.Name,
		"--node-ip=" + c.Address.Addr().String(),
		"--node-labels=" + strings.Join(labels, ","),
		"--root-dir=/var/lib/kubelet",
		"--cert-dir=/var/lib/kubelet/pki",
	}
}

// kubeletConfiguration keeps the kubelet from guarding the machine: other nodes
// share it, and images that it removed could not be pulled again.
func kubeletConfiguration(c Config) *kubeletv1beta1.KubeletConfiguration {
	return &kubeletv1beta1.KubeletConfiguration{
		Address: c.Address.Addr().String(),
		Authentication: kubeletv1beta1.KubeletAuthentication{
			X509:      kubeletv1beta1.KubeletX509Authentication{ClientCAFile: c.file(FileCA)},
			Webhook:   kubeletv1beta1.KubeletWebhookAuthentication{Enabled: ptr.To(true)},
			Anonymous: kubeletv1beta1.KubeletAnonymousAuthentication{Enabled: ptr.To(false)},
		},
		Authorization:               kubeletv1beta1.KubeletAuthorization{Mode: kubeletv1beta1.KubeletAuthorizationModeWebhook},
		TLSCertFile:                 c.file(FileServingCert),
		TLSPrivateKeyFile:           c.file(FileServingKey),
		ContainerRuntimeEndpoint:    "unix://" + Socket,
		CgroupDriver:                "cgroupfs",
		CgroupRoot:                  c.Network.Group(c.Name),
		FailCgroupV1:                ptr.To(false),
		EnforceNodeAllocatable:      []string{"none"},
		FailSwapOn:                  ptr.To(false),
		MaxPods:                     int32(c.MaxPods),
		ClusterDNS:                  []string{DNSAddress},
		ClusterDomain:               "cluster.local",
		ResolverConfig:              ptr.To(""),
		ReadOnlyPort:                0,
		HealthzPort:                 ptr.To(int32(0)),
		ProtectKernelDefaults:       false,
		MakeIPTablesUtilChains:      ptr.To(true),
		ImageGCHighThresholdPercent: ptr.To(int32(100)),
		ImageGCLowThresholdPercent:  ptr.To(int32(99)),
		EvictionHard:                map[string]string{"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
		NodeLeaseDurationSeconds:    leaseSeconds,
		NodeStatusUpdateFrequency:   metav1.Duration{Duration: 2 * time.Second},
		NodeStatusReportFrequency:   metav1.Duration{Duration: time.Minute},
		SyncFrequency:               metav1.Duration{Duration: 10 * time.Second},
		RegistryPullQPS:             ptr.To(int32(0)),
		KubeAPIQPS:                  ptr.To(int32(50)),
		KubeAPIBurst:                100,
	}
}
