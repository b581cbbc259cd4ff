# One command for each thing that people do here; continuous integration runs the same `make test`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# Most of what these install is never imported, so compiling it all would only take time.
INSTALL := pip install --quiet --no-compile
BIN := .venv/bin
COLLECTION := build/collections/ansible_collections/pifleet/nodered
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections
export ANSIBLE_HOME := $(CURDIR)/build/ansible
export PATH := $(CURDIR)/$(BIN):$(PATH)
export LC_ALL := C.UTF-8

.PHONY: help demo demo-down test machine style lint docs messages pictures release publish unit lowest newest versions sanity corpus fuzz molecule integration power-cut rotate-kills upgrade attack matrix benchmark clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp $(COLLECTION) ## Start three open Node-RED machines, secure them and verify it
	@python demo/run.py

demo-down: ## Remove everything that the demo started
	@demo/down

test: machine ## Run everything; half an hour to an hour on two cores
	$(MAKE) --jobs 3 --output-sync=target molecule unit lowest newest sanity corpus lint docs
	$(MAKE) integration

machine: ## Check or install what the tests need beside Python: Docker, Node.js, npm
	containers/pi/ensure-docker

style: .venv/test.stamp ## Check style, licenses and workflows, in seconds
	ruff check .
	ruff format --check .
	yamllint --strict .
	reuse lint --lines
	check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/pipelines/github.yml
	check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	check-jsonschema --quiet --builtin-schema vendor.gitlab-ci examples/pipelines/gitlab.yml
	zizmor --offline --quiet .github examples/pipelines/github.yml

lint: style build/docs-tools/stamp build/galaxy/stamp $(COLLECTION) ## Check style, types and documentation
	mypy -p ansible_collections.pifleet.nodered.plugins
	ansible-lint --offline -c .config/ansible-lint.yml
	antsibull-changelog lint
	build/docs-tools/bin/antsibull-docs lint-collection-docs --plugin-docs .
	tests/galaxy/run

docs: .venv/test.stamp build/docs-tools/stamp $(COLLECTION) ## Build the documentation site into build/docs/html
	build/docs-tools/bin/python docs/site/build.py

messages: .venv/test.stamp ## Write the error messages into docs/troubleshooting.md, from the source
	python docs/site/messages.py

pictures: .venv/test.stamp $(COLLECTION) ## Make the pictures of the documentation from the machines of the demo
	PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.docs.site.pictures

release: .venv/test.stamp ## Build the release with the tag TAG into build/dist, if changelog and version agree
	python .ci/release.py "$(TAG)"
	rm -rf build/dist
	ansible-galaxy collection build --output-path build/dist

# The token is in no command line.
publish: export ANSIBLE_GALAXY_SERVER_LIST := galaxy
publish: export ANSIBLE_GALAXY_SERVER_GALAXY_URL := https://galaxy.ansible.com/
publish: export ANSIBLE_GALAXY_SERVER_GALAXY_TOKEN = $(GALAXY_TOKEN)
publish: .venv/test.stamp ## Publish what make release has built on Galaxy, with the token in GALAXY_TOKEN
	ansible-galaxy collection publish build/dist/*.tar.gz

unit: .venv/test.stamp $(COLLECTION) ## Test the Python of the plugins, and the files around them
	pytest tests/unit tests/project

VERSIONS_TEST = PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.tests.versions

lowest: .venv/test.stamp $(COLLECTION) ## Test the controller's part with the lowest versions that are promised
	$(VERSIONS_TEST) 2.17-3.11-lowest

newest: .venv/test.stamp $(COLLECTION) ## Test the controller's part with the newest ansible-core and libraries
	$(VERSIONS_TEST) 2.21-3.13-newest

versions: .venv/test.stamp $(COLLECTION) ## Test all versions of ansible-core, Python and libraries; writes docs/compatibility.md
	$(VERSIONS_TEST) $(VERSIONS)

sanity: .venv/test.stamp ## Run ansible-test sanity
	tests/sanity/run

corpus: .venv/test.stamp $(COLLECTION) ## Edit the settings files of Node-RED's releases, and invented ones, and let node judge
	pytest tests/corpus

fuzz: .venv/test.stamp $(COLLECTION) ## Edit 100,000 invented settings files and let node judge (FUZZ_PROGRAMS, FUZZ_SEED)
	PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.tests.corpus.fuzz

molecule: .venv/test.stamp $(COLLECTION) ## Run the Molecule scenarios
	tests/molecule/run

integration: .venv/test.stamp $(COLLECTION) ## Faults, secrets and costs on real machines over SSH
	pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 10 \
		-m "not exhaustive" tests/integration

power-cut: .venv/test.stamp $(COLLECTION) ## Cut the power at 20 random moments of a run; make test does it at 4
	POWER_CUT_ROUNDS=5 pytest -s tests/integration/test_power_cut.py

rotate-kills: .venv/test.stamp $(COLLECTION) ## Kill 20 rotations of passwords at random moments; make test does it with 3
	ROTATE_KILLS=20 pytest -s tests/integration/test_rotate.py

upgrade: .venv/test.stamp $(COLLECTION) ## Upgrade machines that version 0.2.0 has secured, all cases; make test does one
	pytest tests/integration/test_upgrade.py

attack: .venv/test.stamp $(COLLECTION) ## Attack runs as the service user, 200 rounds of what depends on luck
	ATTACK_ROUNDS=200 pytest -s tests/integration/test_hostile_pi.py

matrix: .venv/test.stamp $(COLLECTION) ## Secure, verify and reboot every release on every Debian; writes docs/compatibility.md
	PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.tests.matrix $(VARIANTS)

benchmark: .venv/test.stamp $(COLLECTION) ## Measure the engine, and the report of an audit
	PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.benchmarks.engine
	PYTHONPATH=build/collections python -m ansible_collections.pifleet.nodered.benchmarks.report

clean: demo-down ## Remove what was built in this folder
	rm -rf .venv build

.venv/bin/python:
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || demo/ensure-python
	$(PYTHON) -m venv .venv

.venv/demo.stamp: meta/requirements.txt | .venv/bin/python
	@echo "Installing ansible-core and requirements.txt into .venv ..."
	$(BIN)/$(INSTALL) 'ansible-core>=2.17' -r requirements.txt
	touch $@

.venv/test.stamp: tests/requirements.txt meta/requirements.txt | .venv/bin/python
	@echo "Installing the test tools into .venv ..."
	$(BIN)/$(INSTALL) -r tests/requirements.txt
	touch $@

build/docs-tools/stamp: docs/requirements.txt | .venv/bin/python
	@echo "Installing the tools of the documentation into build/docs-tools ..."
	$(BIN)/python -m venv build/docs-tools
	build/docs-tools/bin/$(INSTALL) -r $<
	touch $@

build/galaxy/stamp: tests/galaxy/requirements.txt | .venv/bin/python
	@echo "Installing galaxy-importer into build/galaxy ..."
	$(BIN)/python -m venv build/galaxy
	build/galaxy/bin/$(INSTALL) -r $<
	touch $@

$(COLLECTION):
	mkdir -p $(dir $@)
	ln -sfn ../../../.. $@
