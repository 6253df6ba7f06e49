# Trivy v0.74.0 compiles only with Go 1.26 and this experiment. Everything is
# built with the same flags: each other combination (without -trimpath, with
# -race) compiles Trivy's 2,900 packages once more. Version and commit come from
# git through the linker: Go's own stamping fails in a checkout of another user.
export GOTOOLCHAIN   := go1.26.8
export GOEXPERIMENT  := jsonv2
export GOFLAGS       := -trimpath -buildvcs=false

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.7.0
VERSION     ?= $(shell git describe --tags --dirty 2>/dev/null || git rev-parse --short HEAD 2>/dev/null | sed 's/^/0.0.0-dev./')
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS     := -s -w $(if $(VERSION),-X main.version=$(VERSION:v%=%)) $(if $(COMMIT),-X main.commit=$(COMMIT))
FUZZTIME    ?= 20s
BENCHRUNS   ?= 5

# Packages that do not link Trivy: they compile fast, so they are also tested
# with the race detector.
FAST = $$($(GO) list -f '{{.ImportPath}} {{.Imports}} {{.TestImports}} {{.XTestImports}}' ./... | grep -v -e gate/scan/engine -e /examples | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help build demo test race lint format vet static imports tidy bench bench-curve bench-docs fuzz conformance mutate clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

build: ## build the static binary bin/imagegate
	@echo "Building bin/imagegate. The first build compiles Trivy: 5 to 15 minutes on two cores, 6 GB of disk. Later ones take seconds."
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/imagegate ./cmd/imagegate

demo: build ## judge real images from a registry on loopback; needs the Go module proxy the first time, and no Docker
	CGO_ENABLED=0 $(GO) run ./examples/demo

test: ## run all tests; needs no C compiler
	@echo "Running all tests. The first run compiles Trivy: 5 to 15 minutes on two cores, 6 GB of disk."
	CGO_ENABLED=0 $(GO) test -timeout 60m ./...
	cd examples/bench && CGO_ENABLED=0 $(GO) test .

race: ## run the tests of the packages without Trivy with the race detector; needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -timeout 60m $(FAST)

lint: format vet static imports tidy ## check format, vet, staticcheck, import rules and go.mod

format:
	@files=$$(gofmt -l -s $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -s -w:" $$files; exit 1; fi

vet:
	CGO_ENABLED=0 $(GO) vet ./...

static:
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) ./...

imports:
	CGO_ENABLED=0 $(GO) test -run '^TestImports' ./gate

# Without a network go.mod cannot be compared; that is no mistake in it.
tidy:
	@if out=$$($(GO) mod tidy -diff 2>&1); then echo "go.mod and go.sum are tidy"; else \
		case "$$out" in \
		*"dial tcp"*|*"no such host"*|*"lookup disabled"*) echo "go mod tidy was skipped: no network" ;; \
		*) echo "$$out"; echo "run: go mod tidy"; exit 1 ;; \
		esac; \
	fi

# BENCH_ONLY selects rows or curves by parts of their names. BENCH_CACHE is a
# Trivy cache directory with a real database; without it the small one of the
# tests serves. BENCH_LAYOUT is an OCI layout and BENCH_EXTRA names images in it
# that are measured too. BENCH_DIR keeps images and results (1 GB).
BENCH = cache="$(abspath $(BENCH_CACHE))"; if [ -z "$$cache" ]; then cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && $(GO) run ./examples/testdb "$$cache"; fi; \
	cd examples/bench && CGO_ENABLED=0 $(GO) run . -gate ../../bin/imagegate -cache-dir "$$cache" -n $(BENCHRUNS) -only "$(BENCH_ONLY)" \
	-dir "$(abspath $(BENCH_DIR))" -layout "$(abspath $(BENCH_LAYOUT))" -extra "$(BENCH_EXTRA)"

bench: build ## measure time and memory beside Trivy's own command line, as ratios
	@$(BENCH)

bench-curve: build ## measure how time and memory grow with size, layers, files, findings and images
	@$(BENCH) -curve

bench-docs: build ## measure both and write the tables of docs/performance.md
	@$(BENCH) -write ../../docs/performance.md
	@$(BENCH) -curve -write ../../docs/performance.md

fuzz: ## fuzz every parser of foreign bytes for FUZZTIME each (default 20s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/^func //' | sort -u | while read -r target; do \
			echo "fuzz $$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$dir || exit 1; \
		done || exit 1; \
	done

mutate: ## change lines that can produce a pass, one at a time, and see whether a test notices
	CGO_ENABLED=0 $(GO) run ./examples/mutate

conformance: build ## feed the reports to validators that are not ours
	@if [ -x .ci/conformance ]; then .ci/conformance; else echo "there is no .ci/conformance"; fi

clean: ## remove what was built
	rm -rf bin dist
