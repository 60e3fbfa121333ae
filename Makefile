# Needs Go, make and git; everything else is built from go.mod and .ci/*/go.mod.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
include member/cluster/version.mk

GO ?= go
export PATH := $(CURDIR)/bin:$(PATH)

# One set of flags for build, test and lint, so that Kubernetes is compiled once.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -trimpath)

SEEDS ?= 10000
KILLS ?= 20
WIRES ?= 10
TEST_TIMEOUT ?= 30m

GOLANGCI := $(GO) tool -modfile=.ci/lint/go.mod golangci-lint
GOVULNCHECK := $(GO) tool -modfile=.ci/lint/go.mod govulncheck
BUF := $(GO) tool -modfile=.ci/tools/go.mod buf

.PHONY: help build hansa hansa-agent hansa-cluster hansa-pod image tools up down test test-unit test-e2e net bus lint fmt vuln bench sim proto proto-check clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: hansa hansa-agent hansa-cluster hansa-pod ## bin/hansa, bin/hansa-agent, bin/hansa-cluster and bin/hansa-pod

hansa:
	$(GO) build -ldflags "-s -w -X main.release=$(VERSION)" -o bin/hansa .

# Without its traces for browsers, gRPC links no templates, and the linker leaves out the
# methods that nobody calls: a quarter of the program.
hansa-agent:
	$(GO) build -tags grpcnotrace -ldflags "-s -w -X main.release=$(VERSION)" -o bin/hansa-agent ./member/cmd/hansa-agent

hansa-cluster:
	$(GO) build -ldflags "$(HANSA_CLUSTER_LDFLAGS)" -o bin/hansa-cluster ./member/cmd/hansa-cluster

# IMAGE names it; bin/hansa-agent.tar is for "docker load", and to be pushed from there.
IMAGE ?= hansa-agent:latest

image: hansa-agent ## bin/hansa-agent.tar, a container image of the agent, called IMAGE
	$(GO) run ./member/cmd/agent-image -name $(IMAGE) -o bin/hansa-agent.tar bin/hansa-agent

hansa-pod:
	$(GO) build -ldflags "-s -w" -o bin/hansa-pod ./member/cmd/hansa-pod

tools: bin/kubectl bin/grpcurl bin/helm bin/before/hansa bin/oldest/kube-apiserver ## kubectl, grpcurl, helm, an earlier version and an old Kubernetes, which the tests use

bin/kubectl: go.mod member/cluster/version.mk
	$(GO) build -ldflags "$(HANSA_CLUSTER_LDFLAGS)" -o $@ k8s.io/kubernetes/cmd/kubectl

bin/grpcurl: .ci/tools/go.mod
	$(GO) build -modfile=.ci/tools/go.mod -o $@ github.com/fullstorydev/grpcurl/cmd/grpcurl

bin/helm: .ci/helm/go.mod
	$(GO) build -modfile=.ci/helm/go.mod -o $@ helm.sh/helm/v4/cmd/helm

# The control plane of the oldest Kubernetes that members may have.
OLDEST := v1.31.14

bin/oldest/kube-apiserver: .ci/oldest/go.mod
	$(GO) build -modfile=.ci/oldest/go.mod -ldflags "-s -w $(foreach p,k8s.io/component-base/version k8s.io/client-go/pkg/version,-X $(p).gitVersion=$(OLDEST) -X $(p).gitMajor=1 -X $(p).gitMinor=31)" \
		-o bin/oldest/ k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-apiserver
	$(GO) build -modfile=.ci/oldest/go.mod -ldflags "-s -w" -o bin/oldest/etcd go.etcd.io/etcd/server/v3

# The commit from which the upgrade test starts: that of the last release. A clone that
# lacks it, and cannot get it, upgrades this version to itself.
BEFORE := f7bd042181c51720033238130e2cc2073418c240

bin/before/hansa: Makefile
	rm -rf bin/before && mkdir -p bin/before/tree
	git cat-file -e $(BEFORE) || git fetch --depth 1 origin $(BEFORE) || echo 'the upgrade test starts from this version'
	git archive $$(git rev-parse -q --verify $(BEFORE)^{commit} || echo HEAD) | tar -x -C bin/before/tree
	$(MAKE) -C bin/before/tree hansa hansa-cluster VERSION=before
	mv bin/before/tree/bin/* bin/before/ && rm -rf bin/before/tree

up: build ## start a federation of three members on this machine; NODES=containerd runs containers, as root
	bin/hansa up $(if $(NODES),--nodes $(NODES))

down: hansa ## end it
	bin/hansa down

test: build tools test-unit test-e2e net ## every test

test-unit: ## the tests that start no cluster
	$(GO) test -timeout $(TEST_TIMEOUT) $$($(GO) list ./... | grep -v -e /test/e2e -e /test/net)

test-e2e: build tools ## the tests on real clusters
	HANSA_CLUSTER_BIN=$(CURDIR)/bin/hansa-cluster $(GO) test -count=1 -v -p 1 -timeout $(TEST_TIMEOUT) ./test/e2e/...

net: build ## faults of network, processes and disk under real clusters; needs root, ip and nft
	HANSA_CLUSTER_BIN=$(CURDIR)/bin/hansa-cluster $(GO) test -count=1 -v -timeout $(TEST_TIMEOUT) ./test/net/...

lint: proto-check ## golangci-lint (formatting included) and buf lint
	$(GOLANGCI) run ./...

fmt: ## format the tree
	$(GOLANGCI) fmt ./...

vuln: build ## known vulnerabilities in the binaries; needs the database's server
	$(GOVULNCHECK) -mode=binary bin/hansa
	$(GOVULNCHECK) -mode=binary bin/hansa-agent
	$(GOVULNCHECK) -mode=binary bin/hansa-cluster

bench: build tools ## measure
	$(GO) test -run '^$$' -bench . -benchmem -timeout $(TEST_TIMEOUT) \
		$$($(GO) list ./... | grep -v -e /member/cluster -e /member/cmd -e '/test/e2e$$' -e /test/net)

sim: ## the deterministic world with SEEDS random runs
	$(GO) test -count=1 -timeout 0 ./test/sim -seeds=$(SEEDS)

bus: ## kill servers of the bus under load KILLS times, and break their network with WIRES seeds
	$(GO) test -count=1 -v -timeout 0 ./messaging/nats -run 'TestKills|TestWires' -kills=$(KILLS) -wireseeds=$(WIRES)

proto: ## generate the code beside the .proto files
	$(BUF) generate --config .buf.yaml --template .ci/buf.gen.yaml --path gateway/v1
	$(BUF) generate --config .buf.yaml --template .ci/buf.gen.federation.yaml --path federation/v1

proto-check:
	$(BUF) lint --config .buf.yaml

clean: ## remove what was built
	rm -rf bin
