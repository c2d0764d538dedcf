# Weir: build, test, run. `make help` lists the targets.
#
# A release build by default (LTO); MODE=debug builds with ASan and UBSan under build/debug. Everything that is made
# lands under $(BUILD).

MODE ?= release
BUILD ?= build$(if $(filter debug,$(MODE)),/debug)
CC = gcc
AR = gcc-ar
CLANG = clang
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell cat VERSION)
# Seconds for each fuzz target: `make test` gives each a few, `make fuzz` as many as one likes.
FUZZ_SECONDS ?= 60
FUZZ_SHORT_SECONDS ?= 3
# Files of integration tests that run side by side: they wait more than they work.
INTEGRATION_JOBS ?= 3

ifeq ($(MODE),debug)
OPTIMISE := -O1 -g3 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else
OPTIMISE := -O3 -g -flto=auto
endif
# Empty for whoever builds with a compiler that warns of more than those it was written with: WERROR=
WERROR ?= -Werror
WARN := -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CFLAGS ?=
CPPFLAGS ?=
LDFLAGS ?=
# Where `make install` puts units of systemd; nothing: nowhere.
UNITS ?= $(PREFIX)/lib/systemd/system
COMMON_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -Ideploy/include -I/usr/include/postgresql -I/usr/include/hs -I/usr/include/lua5.4 -DWEIR_VERSION='"$(VERSION)"'
ALL_CFLAGS = $(COMMON_CFLAGS) $(OPTIMISE) $(WARN) $(CPPFLAGS) $(CFLAGS)

# What each part may link with: the linker keeps the rule that filters/ knows nothing of Redis, libevent or PostgreSQL.
LIBS_base := -lyyjson -lxxhash -lm
LIBS_filters := -ljansson -lhs -lpcre2-8 -llua5.4 -lcrypto -ldl $(LIBS_base)
LIBS_replication := -levent_core -lpq -lzstd -ldl $(LIBS_base)
LIBS_program := -lncursesw -ltinfo
LIBS_engine := -levent_core -levent_extra -levent_openssl -lssl -lcrypto -lhiredis -lyaml $(LIBS_filters) $(LIBS_replication)

BASE_SOURCES := $(sort $(wildcard base/*.c))
FILTERS_SOURCES := $(sort $(wildcard filters/*.c filters/modules/*.c))
REPLICATION_SOURCES := $(sort $(wildcard replication/*.c))
# What only the program needs, and with it the library for terminals.
PROGRAM_SOURCES := engine/main.c engine/terminal_ncurses.c
ENGINE_SOURCES := $(sort $(filter-out $(PROGRAM_SOURCES),$(wildcard engine/*.c)))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
archive = $(foreach part,$(1),$(BUILD)/libweir-$(part).a)
ARCHIVES_base := base
ARCHIVES_filters := filters base
ARCHIVES_replication := replication base
ARCHIVES_engine := engine replication filters base

.DEFAULT_GOAL := all
.PHONY: all
all: $(BUILD)/weir ## build the program (release, LTO): build/weir

$(BUILD)/weir: $(call objects,$(PROGRAM_SOURCES)) $(call archive,$(ARCHIVES_engine))
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_engine) $(LIBS_program)

$(BUILD)/libweir-base.a: $(call objects,$(BASE_SOURCES))
$(BUILD)/libweir-filters.a: $(call objects,$(FILTERS_SOURCES))
$(BUILD)/libweir-replication.a: $(call objects,$(REPLICATION_SOURCES))
$(BUILD)/libweir-engine.a: $(call objects,$(ENGINE_SOURCES))
$(BUILD)/libweir-%.a:
	@rm -f $@
	@$(AR) qcsD $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
# The console's page is assembled into one object (engine/console_files.c).
CONSOLE_FILES := $(wildcard console/*)
$(BUILD)/obj/engine/console_files.o build/fuzz/obj/engine/console_files.o: $(CONSOLE_FILES)
$(BUILD)/obj/engine/console_files.o: OPTIMISE += -fno-lto
-include $(shell [ -d $(BUILD)/obj ] && find $(BUILD)/obj -name '*.d')

.PHONY: debug
debug: ## build with ASan and UBSan: build/debug/weir
	@$(MAKE) --no-print-directory MODE=debug all

# ---- tests: unit tests of a part in one program, build/tests/<part>_tests; programs that take a file beside them

TEST_PARTS := base filters replication engine
define unit_tests
$(BUILD)/tests/$(1)_tests: $(call objects,$(wildcard tests/$(1)/*_test.c)) $(call archive,$(ARCHIVES_$(1)))
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$(CC) $(ALL_CFLAGS) -o $$@ $$^ $(LIBS_$(1)) -lcriterion
endef
$(foreach part,$(TEST_PARTS),$(eval $(call unit_tests,$(part))))
UNIT_TESTS := $(foreach part,$(TEST_PARTS),$(if $(wildcard tests/$(part)/*_test.c),$(BUILD)/tests/$(part)_tests))
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c))
$(TEST_PROGRAMS): $(BUILD)/tests/%: $(BUILD)/obj/tests/programs/%.o $(call archive,$(ARCHIVES_engine))
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS_engine)

# Plug-ins are built as an administrator builds them, against the installed header alone; the tests load them.
TEST_PLUGINS := $(patsubst %,$(BUILD)/tests/plugins/%.so,$(basename $(notdir $(wildcard tests/plugins/*.c tests/plugins/*.cc deploy/examples/plugin/*.c))))
PLUGIN_CFLAGS = -pedantic $(filter-out -flto%,$(OPTIMISE)) $(WARN) $(CFLAGS) -Ideploy/include -fPIC -fvisibility=hidden -shared
$(BUILD)/tests/plugins/%.so: tests/plugins/%.c deploy/include/weir/plugin.h tests/plugins/wrong.h
	@mkdir -p $(@D)
	@echo "  SO    $@"
	@$(CC) -std=c99 $(PLUGIN_CFLAGS) -o $@ $<
$(BUILD)/tests/plugins/%.so: deploy/examples/plugin/%.c deploy/include/weir/plugin.h
	@mkdir -p $(@D)
	@echo "  SO    $@"
	@$(CC) -std=c99 $(PLUGIN_CFLAGS) -o $@ $<
$(BUILD)/tests/plugins/%.so: tests/plugins/%.cc deploy/include/weir/plugin.h
	@mkdir -p $(@D)
	@echo "  SO    $@"
	@$(CLANG)++ -std=c++11 -O2 -Wall -Wextra -Werror -Wshadow -pedantic -Ideploy/include -fPIC -fvisibility=hidden -shared -o $@ $<
$(BUILD)/tests/filters_tests: | $(TEST_PLUGINS)

.PHONY: test
test: deps-test ## everything: unit, vectors, integration, in release and with sanitizers, and seconds of fuzzing
	@$(MAKE) --no-print-directory unit vectors
	@$(MAKE) --no-print-directory MODE=debug unit vectors
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory MODE=debug integration
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$(FUZZ_SHORT_SECONDS)
	@echo "weir: all tests passed"

.PHONY: tests-built unit vectors integration
tests-built: $(BUILD)/weir $(UNIT_TESTS) $(TEST_PROGRAMS)
unit: tests-built ## the unit tests of every part
	@for program in $(UNIT_TESTS); do echo "== $$program"; $$program -j2 --timeout 120 || exit 1; done
vectors: tests-built ## the recorded oracle vectors
	@echo "== $(BUILD)/tests/replication_vectors"
	@$(BUILD)/tests/replication_vectors tests/data/replication-vectors.jsonl.zst
	@echo "== $(BUILD)/tests/chain_vectors"
	@$(BUILD)/tests/chain_vectors tests/data/chain-vectors.jsonl.zst
integration: tests-built ## the program against a real Redis and a real PostgreSQL; INTEGRATION_JOBS files at a time
	@ls -S tests/integration/*_test.py | WEIR=$(BUILD)/weir xargs -P $(INTEGRATION_JOBS) -n 1 tests/integration/run

# ---- chaos: everything is killed, stopped and cut off by a seeded plan; a short one is among the integration tests

FAULTS ?= 500
.PHONY: chaos
chaos: deps-test ## kill, stop and cut off everything FAULTS=500 times by SEED=N: nothing may be lost or doubled
	@$(MAKE) --no-print-directory $(BUILD)/weir
	@/usr/bin/python3 -B tests/chaos/run.py --weir $(BUILD)/weir --faults $(FAULTS) $(if $(SEED),--seed $(SEED))

# ---- soak: 64 clients ask over Redis and HTTP while things break; a short one is among the integration tests

SECONDS ?= 300
.PHONY: soak
soak: deps-test ## ask two engines about everything for SECONDS=300 while they are killed, stopped and cut off
	@$(MAKE) --no-print-directory $(BUILD)/weir
	@/usr/bin/python3 -B tests/soak/soak.py --weir $(BUILD)/weir --seconds $(SECONDS)

# ---- pictures of the console for the manual, small ones

.PHONY: screenshots
screenshots: deps-test ## take the manual's pictures of the console: docs/images/console-*.png
	@$(MAKE) --no-print-directory $(BUILD)/weir
	@WEIR=$(BUILD)/weir /usr/bin/python3 -B -W ignore tests/integration/console_screenshots.py docs/images

# ---- fuzzing: everything built again by clang with libFuzzer, build/fuzz/<name> from tests/fuzz/<name>_fuzz.c

FUZZ_CFLAGS = $(COMMON_CFLAGS) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_SOURCES := $(BASE_SOURCES) $(FILTERS_SOURCES) $(REPLICATION_SOURCES) $(ENGINE_SOURCES)
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_SOURCES))
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,build/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build/fuzz/libweir.a: $(FUZZ_OBJECTS)
	@rm -f $@
	@ar qcs $@ $^
$(FUZZ_TARGETS): build/fuzz/%: tests/fuzz/%_fuzz.c build/fuzz/libweir.a
	@echo "  FUZZ  $@"
	@$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_engine)
-include $(shell [ -d build/fuzz/obj ] && find build/fuzz/obj -name '*.d')

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS) ## fuzz every reader of outside input, FUZZ_SECONDS=60 each; finds land in build/fuzz/found
	@mkdir -p build/fuzz/found
	@for target in $(FUZZ_TARGETS); do \
	  name=$$(basename $$target); mkdir -p build/fuzz/corpus/$$name; echo "== fuzz $$name"; \
	  $$target -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -artifact_prefix=build/fuzz/found/$$name- \
	    build/fuzz/corpus/$$name tests/fuzz/seeds/$$name >build/fuzz/$$name.log 2>&1 \
	    || { tail -n 40 build/fuzz/$$name.log; exit 1; }; \
	  grep -E '^Done|stat::number' build/fuzz/$$name.log | tail -n 1; \
	done

# ---- benchmarks: bench/<name>_bench.c becomes build/bench/<name>_bench, scripts run as they are

BENCH_PROGRAMS := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*_bench.c))
BENCH_SHARED := $(filter-out $(wildcard bench/*_bench.c),$(wildcard bench/*.c))
$(BENCH_PROGRAMS): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(call objects,$(BENCH_SHARED)) $(call archive,$(ARCHIVES_engine))
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS_engine)

# A reference in C++: built where its library is; without it the bench says so.
$(BUILD)/bench/simdjson_reader.so: bench/simdjson_reader.cc bench/simdjson_reader.h
	@mkdir -p $(@D)
	@if echo '#include <simdjson.h>' | $(CXX) -std=c++17 -M -x c++ - >/dev/null 2>&1; then \
	  echo "  SO    $@"; \
	  $(CXX) -std=c++17 -I. $(filter-out -flto%,$(OPTIMISE)) -DNDEBUG -Wall -Wextra -Werror -Wshadow -fPIC -shared -o $@ $< -lsimdjson; \
	fi
$(BUILD)/bench/reading_bench: | $(BUILD)/bench/simdjson_reader.so

# Built by a make of its own: only after the packages were installed is it known which references there are.
.PHONY: bench bench-quick bench-built
bench: deps-bench ## measure, each figure as a ratio: a table, build/bench.json, and plots in build/bench.html
	@$(MAKE) --no-print-directory bench-built
	@bench/run $(BUILD)
	@bench/report $(BUILD)
bench-quick: ## the same with fewer runs, in less than a minute
	@WEIR_BENCH_QUICK=1 $(MAKE) --no-print-directory bench
bench-built: $(BUILD)/weir $(BENCH_PROGRAMS) $(BUILD)/tests/missed_rows

# ---- the rest

.PHONY: deps deps-run deps-test deps-bench
deps: ## install everything that building, testing and linting need from Debian
	@deploy/dependencies.sh run test lint
deps-run:
	@deploy/dependencies.sh run
deps-test:
	@deploy/dependencies.sh run test
deps-bench:
	@deploy/dependencies.sh run
	@deploy/dependencies.sh bench || echo "weir: what could not be installed is left out of the benches" >&2

.PHONY: run
run: deps-run ## the main job on a recording, with a private Redis: builds, plays, judges, checks
	@$(MAKE) --no-print-directory all
	@deploy/demo.sh $(BUILD)/weir

.PHONY: lint format
C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')
lint: ## clang-format, clang-tidy, shellcheck and the include rules
	@deploy/dependencies.sh lint
	@clang-format --dry-run -Werror $(C_FILES)
	@deploy/lint-includes.sh
	@shellcheck .ci/run deploy/*.sh tests/integration/run tests/packages/*.sh debian/*.postinst debian/*.postrm debian/*.prerm
	@/usr/bin/python3 -B -c 'import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]' \
	  $$(git ls-files '*.py') bench/run bench/report bench/guard bench/catch_up_bench bench/worker_cost_bench
	@printf '%s\n' $(filter %.c,$(C_FILES)) | \
	  xargs -P 2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- $(COMMON_CFLAGS) 2>/dev/null
	@echo "weir: lint passed"
format: ## lay out every C file
	@clang-format -i $(C_FILES)

.PHONY: reference
reference: $(BUILD)/weir ## write the reference pages again, from the program's own tables
	@mkdir -p docs/reference
	@$(BUILD)/weir callbacks --markdown >docs/reference/callbacks.md
	@$(BUILD)/weir modules --markdown >docs/reference/modules.md
	@$(BUILD)/weir manual configuration.md >docs/reference/configuration.md

.PHONY: install
install: all ## install the program, manual pages, completion for bash and zsh, the plug-in header, the module for Synapse, the bot, units of systemd, the board and alerts, samples and examples under DESTDIR/PREFIX
	install -D -m 755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(BUILD)/weir completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	$(BUILD)/weir completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weir
	install -d $(foreach section,1 5 7,$(DESTDIR)$(PREFIX)/share/man/man$(section))
	$(BUILD)/weir manual weir.1 >$(DESTDIR)$(PREFIX)/share/man/man1/weir.1
	$(BUILD)/weir manual weir.yaml.5 >$(DESTDIR)$(PREFIX)/share/man/man5/weir.yaml.5
	$(BUILD)/weir manual weir-modules.7 >$(DESTDIR)$(PREFIX)/share/man/man7/weir-modules.7
	install -d $(DESTDIR)$(PREFIX)/share/weir/sample
	install -m 644 deploy/sample/* $(DESTDIR)$(PREFIX)/share/weir/sample/
	install -D -m 644 deploy/synapse/weir_module.py $(DESTDIR)$(PREFIX)/share/weir/synapse/weir_module.py
	install -D -m 755 deploy/consumers/weir_actions.py $(DESTDIR)$(PREFIX)/share/weir/consumers/weir_actions.py
	sed 's,/usr/local/,$(PREFIX)/,' deploy/consumers/weir-actions.service >$(DESTDIR)$(PREFIX)/share/weir/consumers/weir-actions.service
	if [ -n "$(UNITS)" ]; then \
	  install -d $(DESTDIR)$(UNITS) && install -D -m 644 deploy/systemd/weir.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/weir.conf && \
	  for unit in weir weir@; do \
	    sed 's,/usr/bin/weir,$(PREFIX)/bin/weir,' deploy/systemd/$$unit.service >$(DESTDIR)$(UNITS)/$$unit.service || exit 1; \
	  done; \
	fi
	install -D -m 644 deploy/include/weir/plugin.h $(DESTDIR)$(PREFIX)/include/weir/plugin.h
	install -d $(DESTDIR)$(PREFIX)/share/weir/profiles/tests
	install -m 644 deploy/profiles/*.yaml deploy/profiles/*.txt deploy/profiles/README.md $(DESTDIR)$(PREFIX)/share/weir/profiles/
	install -m 644 deploy/profiles/tests/*.yaml $(DESTDIR)$(PREFIX)/share/weir/profiles/tests/
	install -D -m 644 deploy/grafana/weir.json $(DESTDIR)$(PREFIX)/share/weir/grafana/weir.json
	install -D -m 644 deploy/prometheus/weir.rules.yaml $(DESTDIR)$(PREFIX)/share/weir/prometheus/weir.rules.yaml
	install -d $(DESTDIR)$(PREFIX)/share/weir/examples/plugin
	install -m 644 deploy/examples/plugin/* $(DESTDIR)$(PREFIX)/share/weir/examples/plugin/

include deploy/packages.mk

.PHONY: clean help
clean: ## remove everything that was built
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile deploy/packages.mk
