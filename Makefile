# Every task is one word here, and .ci/run calls the same words.
#
#   make demo     build Weir and run it in front of a simulated upstream: no key, no network, no file
#   make test     every test

SHELL := /bin/bash
# Where scripts/prerequisites.sh puts a cmake that no package manager could install.
export PATH := $(CURDIR)/target/tools/cmake/data/bin:$(PATH)

CARGO := cargo
# With the profile of the load test: loadtest/weir.profdata.
RELEASE := scripts/release.sh $(CARGO) build --locked --release
# In `weir_build_info` and nowhere else.
build loadtest: export WEIR_REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

PREFIX := /usr/local
SYSTEMD := /etc/systemd/system

.DEFAULT_GOAL := help
.PHONY: help demo demo-smoke build fresh test test-core test-all test-clients browser-tests pictures check fmt-check clippy doc prices-check watch-check service-check behind-check deny advisories bench bench-smoke fuzz-smoke loadtest loadtest-smoke handover pgo soak attack attack-smoke dist image deb install test-clis test-clis-smoke test-written test-open-webui service-test readme-walk focus-check

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: build ## the real proxy on 127.0.0.1:8080 in front of a simulated upstream
	target/release/weir demo

build: ## target/release/weir, optimised
	scripts/prerequisites.sh build
	$(RELEASE)

# The README's promise: what the demo prints can be pasted.
demo-smoke: ## what the README says of the demo, line by line
	$(CARGO) build --locked --workspace
	scripts/demo-smoke.sh target/debug/weir

test: test-core test-all test-clients ## everything that can fail: units, stories on real sockets, the vendors' SDKs

# The core alone, without Pingora and tokio: proves that it does not need them.
test-core: ## the core alone, without Pingora and tokio
	scripts/prerequisites.sh build
	$(CARGO) test --locked --lib --no-default-features

test-all: ## units and stories on real sockets
	scripts/prerequisites.sh build prometheus
	$(CARGO) test --locked --workspace

test-clients: ## the vendors' own SDKs, Python and Node
	scripts/prerequisites.sh build test
	scripts/test-clients.sh

browser-tests: ## the console in a real Chromium, on the real binary under simulated traffic
	scripts/prerequisites.sh build browser
	scripts/browser-tests.sh

pictures: ## docs/console/pictures: every page, both themes and phone width
	scripts/prerequisites.sh build browser
	scripts/browser-tests.sh --pictures

test-clis: ## Claude Code, Codex, Gemini CLI, opencode, Qwen Code and aider, unmodified, before upstreams of every dialect (twenty minutes)
	scripts/prerequisites.sh test
	scripts/test-clis.sh

test-clis-smoke: ## two of them, one question each
	scripts/prerequisites.sh test
	scripts/test-clis.sh --smoke

test-written: ## Claude Code, Codex, Gemini CLI, opencode, Qwen Code, Cline, Continue and aider, each set up by `weir client --write` alone
	scripts/prerequisites.sh test
	$(CARGO) build --locked
	PATH="$$PWD/target/tools/node:$$PATH" python3 tests/clients/cli/written.py target/debug/weir

test-open-webui: ## Open WebUI from PyPI (1.7 GB), pointed at Weir by what `weir client open-webui` prints
	scripts/prerequisites.sh test
	$(CARGO) build --locked
	python3 tests/clients/cli/open_webui.py target/debug/weir

fresh: ## as root: `make demo` and `make test` in a bare Debian root made for it (10 to 20 minutes)
	scripts/fresh.sh

check: fmt-check clippy doc ## format, lints and documentation, all warnings as errors

fmt-check: ## the format, as `cargo fmt` has it
	scripts/prerequisites.sh check
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check

clippy: ## the lints, warnings as errors
	scripts/prerequisites.sh build check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --lib --tests --no-default-features -- -D warnings

doc: ## the documentation of the code, warnings as errors
	scripts/prerequisites.sh build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

prices-check: ## the built-in prices beside the map in PyPI's litellm
	$(CARGO) build --locked --quiet
	scripts/prices-check.sh target/debug/weir

focus-check: ## the bill of `weir usage --focus` beside the rules of PyPI's focus-validator
	$(CARGO) build --locked --quiet
	scripts/focus-check.sh target/debug/weir

watch-check: ## the rules and dashboards in conf/prometheus and conf/grafana, on a real Prometheus
	scripts/prerequisites.sh build prometheus
	$(CARGO) build --locked
	scripts/watch-check.sh target/debug/weir

service-check: ## the systemd unit: its syntax and its exposure
	scripts/service-check.sh

# Not a word in a container that may make no namespaces: it says what it could not do.
service-test: ## as root: unit and package under Debian's own systemd in a clean root: start, reload, upgrade, stop; says what it could not do
	scripts/prerequisites.sh build service
	$(CARGO) build --locked
	scripts/service-test.sh target/debug/weir

readme-walk: ## every command of README.md and README.zh-CN.md, letter by letter, and the shell blocks of docs/
	scripts/prerequisites.sh build
	$(CARGO) build --locked
	python3 tests/walk/readme.py target/debug/weir
	python3 tests/walk/documents.py target/debug/weir

behind-check: ## Weir behind nginx and Caddy with the files in conf/behind
	scripts/prerequisites.sh build behind
	$(CARGO) build --locked
	scripts/behind-check.sh target/debug/weir

# Built once, into target/tools: from crates.io, with the versions of its own lock file.
DENY := target/tools/bin/cargo-deny

$(DENY):
	scripts/prerequisites.sh build
	$(CARGO) install --locked --quiet --root target/tools --target-dir target/tools/deny --version 0.20.2 cargo-deny
	rm -rf target/tools/deny

deny: $(DENY) ## the licences, sources and forbidden crates of everything that gets into the binary
	$(DENY) --all-features check bans licenses sources
	@echo "advisories were not checked, which needs a network: make advisories"

advisories: $(DENY) ## known faults of the crates that Weir uses; fetches the RustSec database
	$(DENY) --all-features check advisories

bench: ## the benchmarks, optimised
	scripts/prerequisites.sh build
	$(CARGO) bench --locked --bench '*'

# Each benchmark once, unoptimised: do they still run?
bench-smoke: ## each benchmark once, unoptimised
	scripts/prerequisites.sh build
	$(CARGO) test --locked --bench '*'

fuzz-smoke: ## every fuzz target for a few seconds
	scripts/prerequisites.sh build fuzz
	scripts/fuzz-smoke.sh

loadtest: ## nginx, bare Pingora and Weir side by side; options: loadtest/run.sh --help
	loadtest/run.sh

loadtest-smoke: ## the load test and the fault soak for a few seconds
	PROFILE=dev loadtest/run.sh --smoke
	$(CARGO) build --locked --workspace
	target/debug/faults --weir target/debug/weir --duration 20s --warm-up 4s
	target/debug/handover drain --weir target/debug/weir --streams 300 --at-once 150
	target/debug/handover upgrade --weir target/debug/weir --rate 200 --streams 20 --seconds 8

handover: ## 10,000 streams drained, and an upgrade under 2,000 requests a second with 200 streams: what is lost? (10 minutes)
	scripts/prerequisites.sh build
	$(RELEASE) -p weir -p handover
	ulimit -n "$$(ulimit -Hn)" && target/release/handover drain
	ulimit -n "$$(ulimit -Hn)" && target/release/handover upgrade

pgo: ## loadtest/weir.profdata anew: what `make build` is optimised by (a quarter of an hour)
	scripts/pgo.sh

soak: ## 20 minutes of failing upstreams under mixed load: is every answer whole, every token counted?
	scripts/prerequisites.sh build
	$(RELEASE) -p weir -p faults
	target/release/faults --weir target/release/weir

attack: ## under ten minutes: smuggling, HTTP/2 abuse, slow clients, hostile upstreams, blame; writes the table in docs/SECURITY.md
	scripts/prerequisites.sh build
	$(RELEASE)
	ulimit -n "$$(ulimit -Hn)" && PYTHONPATH=loadtest PYTHONDONTWRITEBYTECODE=1 python3 -m attack --write docs/SECURITY.md

attack-smoke: ## a minute of it, on a debug build
	$(CARGO) build --locked
	PYTHONPATH=loadtest PYTHONDONTWRITEBYTECODE=1 python3 -m attack --smoke --weir target/debug/weir

dist: ## an archive below target/dist: a static binary, manual pages, completions, SBOM, checksums; TARGET=… chooses
	scripts/prerequisites.sh build
	scripts/dist.sh $(TARGET)

image: ## as root: the image of the Dockerfile by buildah, looked at and tried; BINARY=… for its last stage only
	scripts/prerequisites.sh build
	scripts/image.sh $(BINARY)

deb: build ## a Debian package below target/dist
	scripts/package-deb.sh target/release/weir

# Does not build: root should not, and often has no cargo.
install: ## after `make build`, as root: binary, unit file and a first configuration
	@test -x target/release/weir || { echo "install: target/release/weir is missing: run \`make build\` first, as yourself" >&2; exit 1; }
	install -Dm755 target/release/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -Dm644 systemd/weir.service $(DESTDIR)$(SYSTEMD)/weir.service
	install -d -m755 $(DESTDIR)/etc/weir
	install -d -m700 $(DESTDIR)/etc/weir/credentials
	test -e $(DESTDIR)/etc/weir/weir.yaml || install -m644 conf/minimal.yaml $(DESTDIR)/etc/weir/weir.yaml
