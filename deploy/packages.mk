# Packages, container and what goes with them. debian/README.source says how the packages are made.

DEB = build/deb
# A copy, so that a build of packages and one of the tree leave each other alone.
.PHONY: deb
deb: ## Debian packages: build/deb/*.deb
	@deploy/dependencies.sh package
	@deploy/package.sh $(DEB)

.PHONY: deb-test
deb-test: ## install, upgrade, remove and purge the packages in a clean Debian, as root (RELEASE=bookworm; PACKAGES=FOLDER)
	@deploy/dependencies.sh package
	@[ -n "$(PACKAGES)" ] || [ -e $(DEB)/packages ] || $(MAKE) --no-print-directory deb
	@tests/packages/clean_debian.sh $(or $(PACKAGES),$(DEB)) $(RELEASE)

.PHONY: quickstart
quickstart: ## seconds from `apt install` to the first verdict, as root: HOMESERVER=FILE of a Synapse that runs here
	@deploy/dependencies.sh package test
	@[ -n "$(HOMESERVER)" ] || { echo "weir: HOMESERVER must name the homeserver.yaml of a Synapse that runs here" >&2; exit 2; }
	@[ -e $(DEB)/packages ] || $(MAKE) --no-print-directory deb
	@/usr/bin/python3 -B tests/quickstart/run.py $(DEB)/weir_*.deb $(HOMESERVER)

.PHONY: reproducible
reproducible: ## build the packages twice, in different places and at different times: the same bytes?
	@deploy/dependencies.sh package
	@tests/packages/reproducible.sh

.PHONY: image image-test
image: ## a container image, by buildah or podman (BASE=docker.io/library/debian:bookworm-slim): localhost/weir
	@tests/packages/image.sh build $(BASE)
image-test: ## the image on a Debian made here by debootstrap, run beside a Redis, as root
	@deploy/dependencies.sh image
	@tests/packages/image.sh test

.PHONY: sbom
sbom: $(BUILD)/weir.spdx.json ## what the program is made of, as SPDX 2.3: build/weir.spdx.json
$(BUILD)/weir.spdx.json: $(BUILD)/weir deploy/sbom.py debian/changelog $(wildcard console/*)
	@echo "  SBOM  $@"
	@/usr/bin/python3 -B deploy/sbom.py $(BUILD)/weir >$@.new
	@mv $@.new $@
