# Gatehouse. "make help" lists the targets.

GO      ?= go
COMMIT  := $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || echo unknown)
LDFLAGS := -X main.commit=$(COMMIT)

# Erases what computations with keys leave behind (package keyring/secretmem).
export GOEXPERIMENT := runtimesecret
# PKCS#11 modules are C libraries: with a C compiler the binary can load them, without one it is
# static and says so. Looked at when it is needed, since "make deps" may have installed one.
CGO = $(or $(CGO_ENABLED),$(shell printf '\043include <stdlib.h>\n' | $${CC:-gcc} -E - >/dev/null 2>&1 && echo 1 || echo 0))

# How long "make chaos" torments the cluster, and each fuzz target runs.
CHAOS_TIME ?= 60s
FUZZ_TIME  ?= 30s
# What "make load" runs: a comparison by default, any scenario otherwise.
LOAD_ARGS  ?= -compare
# Packages tested at once: a laptop's two cores must also carry three masters.
PARALLEL   ?= 2

.PHONY: help build run test unit race lint fuzz bench load e2e chaos ci deps
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/gatehouse
	@mkdir -p bin
	CGO_ENABLED=$(CGO) $(GO) build -trimpath -tags netgo,osusergo -ldflags '$(LDFLAGS)' -o bin/gatehouse ./cmd/gatehouse

run: build ## three masters on loopback, until Ctrl-C
	bin/gatehouse dev

deps: ## install what the tests need beside Go: servers, a browser, command line tools, a C compiler
	scripts/test-deps

unit: ## unit tests only
	CGO_ENABLED=$(CGO) $(GO) test -timeout 5m -p $(PARALLEL) ./...

test: deps build unit ## unit tests, then real processes, then 20 s of chaos
	$(MAKE) e2e
	$(MAKE) chaos CHAOS_TIME=20s

race: ## unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -p $(PARALLEL) ./...

lint: ## gofmt, go vet, staticcheck
	scripts/lint

fuzz: ## every fuzz target for FUZZ_TIME each
	scripts/fuzz $(FUZZ_TIME)

bench: ## benchmarks, each of which guards a promise
	$(GO) test -run '^$$' -bench . -benchmem -p 1 ./...

load: build ## measure three masters beside etcd and bare crypto (LOAD_ARGS="-help")
	GATEHOUSE_BIN=$(CURDIR)/bin/gatehouse $(GO) run ./scripts/load $(LOAD_ARGS)

e2e: deps build ## black-box tests against real processes, HAProxy and nginx
	GATEHOUSE_BIN=$(CURDIR)/bin/gatehouse $(GO) test -tags e2e -count=1 -timeout 15m -p 1 ./cmd/gatehouse/e2e/...

chaos: build ## torment three processes for CHAOS_TIME and check what clients saw
	GATEHOUSE_BIN=$(CURDIR)/bin/gatehouse $(GO) test -tags chaos -count=1 -timeout 120m -v ./cmd/gatehouse/chaos -args -time $(CHAOS_TIME)

ci: lint test ## what runs for every change
