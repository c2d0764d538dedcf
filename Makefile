# Weir: build, test, run. `make help` lists the targets.
#
# Release by default (LTO); `make debug` builds the same with ASan and UBSan under build/debug.

BUILD ?= build
CC ?= cc
AR := gcc-ar
PKGS := libevent libevent_openssl hiredis jansson libhs yaml-0.1 libpq libzstd libssl libcrypto libpcre2-8 libxxhash
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell cat VERSION 2>/dev/null || echo 0)

ifeq ($(MODE),debug)
OPTIMISE := -O1 -g3 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else
OPTIMISE := -O3 -g -flto=auto -DNDEBUG
endif
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CFLAGS ?=
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(OPTIMISE) $(WARN) -DWEIR_VERSION='"$(VERSION)"' $(CFLAGS)
LDLIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lyyjson -lm

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
BASE_SOURCES := $(wildcard base/*.c)
FILTER_SOURCES := $(wildcard filters/*.c filters/modules/*.c)
REPLICATION_SOURCES := $(wildcard replication/*.c)
ENGINE_SOURCES := $(filter-out engine/main.c,$(wildcard engine/*.c))
SOURCES := $(BASE_SOURCES) $(FILTER_SOURCES) $(REPLICATION_SOURCES) $(wildcard engine/*.c)
LIBRARIES := $(BUILD)/libweir-engine.a $(BUILD)/libweir-replication.a $(BUILD)/libweir-filters.a $(BUILD)/libweir-base.a

.PHONY: all
all: $(BUILD)/weir

$(BUILD)/weir: $(call objects,engine/main.c) $(LIBRARIES)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libweir-base.a: $(call objects,$(BASE_SOURCES))
$(BUILD)/libweir-filters.a: $(call objects,$(FILTER_SOURCES))
$(BUILD)/libweir-replication.a: $(call objects,$(REPLICATION_SOURCES))
$(BUILD)/libweir-engine.a: $(call objects,$(ENGINE_SOURCES))
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests: all of one part in one program, build/tests/<part>_tests.
TEST_PARTS := base filters replication engine
define unit_tests
$(BUILD)/tests/$(1)_tests: $(call objects,$(wildcard tests/$(1)/*_test.c)) $(LIBRARIES)
	@mkdir -p $$(@D)
	$(CC) $(ALL_CFLAGS) -o $$@ $$^ $(LDLIBS) -lcriterion
endef
$(foreach part,$(TEST_PARTS),$(eval $(call unit_tests,$(part))))
UNIT_TESTS := $(foreach part,$(TEST_PARTS),$(if $(wildcard tests/$(part)/*_test.c),$(BUILD)/tests/$(part)_tests))

# Programs that tests and people run by hand: build/tests/<name> from tests/programs/<name>.c.
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c))
$(BUILD)/tests/%: $(BUILD)/obj/tests/programs/%.o $(LIBRARIES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LDLIBS)

# Fuzz targets: everything built again by clang with libFuzzer, build/fuzz/<name> from tests/fuzz/<name>_fuzz.c.
FUZZ_FLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
  -DWEIR_VERSION='"fuzz"'
FUZZ_LIBRARY_SOURCES := $(BASE_SOURCES) $(FILTER_SOURCES) $(REPLICATION_SOURCES) $(ENGINE_SOURCES)
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(FUZZ_LIBRARY_SOURCES))
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
$(BUILD)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/libweir.a: $(FUZZ_OBJECTS)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c $(BUILD)/fuzz/libweir.a
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
