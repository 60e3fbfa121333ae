# Linker flags of hansa-cluster. Kubernetes reports the version that the linker
# sets in two packages; without them it is one that kubectl cannot parse.
# Include this file and build with: go build -ldflags "$(HANSA_CLUSTER_LDFLAGS)"
#
# KUBERNETES_VERSION must be that of k8s.io/kubernetes in go.mod. VERSION is
# Hansa's own, set by the including Makefile.

KUBERNETES_VERSION := v1.37.2
KUBERNETES_MAJOR := $(patsubst v%,%,$(word 1,$(subst ., ,$(KUBERNETES_VERSION))))
KUBERNETES_MINOR := $(word 2,$(subst ., ,$(KUBERNETES_VERSION)))
# The module has no commit and no date; these are what the version stands for.
KUBERNETES_COMMIT := module-$(KUBERNETES_VERSION)
KUBERNETES_BUILD_DATE := 1970-01-01T00:00:00Z
VERSION ?= devel

kubernetes_version_flags = \
	-X $(1).gitVersion=$(KUBERNETES_VERSION) \
	-X $(1).gitMajor=$(KUBERNETES_MAJOR) \
	-X $(1).gitMinor=$(KUBERNETES_MINOR) \
	-X $(1).gitCommit=$(KUBERNETES_COMMIT) \
	-X $(1).gitTreeState=clean \
	-X $(1).buildDate=$(KUBERNETES_BUILD_DATE)

HANSA_CLUSTER_LDFLAGS := -s -w -X main.release=$(VERSION) \
	$(call kubernetes_version_flags,k8s.io/component-base/version) \
	$(call kubernetes_version_flags,k8s.io/client-go/pkg/version)
