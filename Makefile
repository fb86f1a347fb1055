GO ?= go
BIN := bin/skua
LINT := bin/golangci-lint
# A number of inputs, for given a time `go test` takes its own end for a failure now and then.
FUZZTIME ?= 100000x
RACE ?= ./...
SIMTIME ?= 2m
# How the page of benchmarks is measured, and a quick look.
COMPAREFLAGS ?= --length 2500ms --brief 1s
SATURATIONFLAGS ?= --ways nats --workload hot --length 2s
SCALEFLAGS ?= --length 500ms --most 10000000
BENCHFLAGS ?=
MUTANTFLAGS ?= -sim 45s -page docs/internals/mutants.md
SOAKTIME ?= 1h
SOAKFLAGS ?=

.DEFAULT_GOAL := help

help: ## Show what there is to make.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the program into bin/.
	$(GO) build -o $(BIN) ./cmd/skua

run: build ## Serve with everything embedded: data in ./data, HTTP on 8080, NATS on 4222.
	exec $(BIN) serve

test: ## Run all tests.
	$(GO) test -timeout 10m ./...

race: ## Run all tests under the race detector.
	$(GO) test -race -short -timeout 8m $(RACE)

lint: $(LINT) ## Check style, the dependency rule and formatting.
	$(LINT) run --allow-parallel-runners ./...

$(LINT): tools.mod tools.sum
	$(GO) build -modfile=tools.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

fuzz: ## Fuzz every decoder and door with FUZZTIME inputs each.
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for name in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "fuzz $$pkg $$name"; $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg; \
	  done; done

crash: build ## Kill the process and the disk at random moments, many times.
	$(GO) test ./cmd/skua -run 'Kill' -count 1 -v -kill.rounds 20
	$(GO) test ./cmd/skua/node -run 'Crash' -count 1 -rounds 200

sim: ## Live whole lives of the system from fresh seeds, for SIMTIME.
	$(GO) test ./bench/sim -count 1 -v -timeout 0 -run 'TestSim$$|TestSeeds' -sim.for $(SIMTIME)
	$(GO) test ./bench/sim -count 1 -timeout 20m -run 'Every|SameSeed' -sim.every 7

sim-long: ## The same for an hour, with every call of the file system.
	$(MAKE) sim SIMTIME=1h
	$(GO) test ./bench/sim -count 1 -timeout 2h -run 'Every' -sim.every 1

mutants: ## Plant bugs, see that the tests find each, and write the table of docs/internals/mutants.md.
	$(GO) run ./bench/mutants $(MUTANTFLAGS)

bench: build ## Measure everything, and rewrite the tables and plots of docs/reference/benchmarks.md.
	$(BIN) bench $(COMPAREFLAGS) --page docs/reference/benchmarks.md
	$(BIN) bench saturation $(SATURATIONFLAGS) --page docs/reference/benchmarks.md
	$(BIN) bench scale $(SCALEFLAGS) --page docs/reference/benchmarks.md

bench-quick: build ## Measure what says most, in about two minutes.
	$(BIN) bench --quick $(BENCHFLAGS)

soak: build ## Live with a server for SOAKTIME under half its load, killing it, and write docs/internals/soak.md.
	$(BIN) bench soak --for $(SOAKTIME) --page docs/internals/soak.md $(SOAKFLAGS)

bench-peers: ## Install what is measured beside: PostgreSQL and Redis from Debian, and nats-server into bin/.
	GO="$(GO)" ./bench/peer/install.sh

check: lint test race ## What has to pass before a change lands.

clean: ## Remove what was built. Data stays.
	rm -rf bin

.PHONY: help build run test race lint fuzz crash sim sim-long mutants bench bench-quick soak bench-peers check clean
