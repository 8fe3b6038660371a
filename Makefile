# Each target is also a plain command; see docs/development.md.
.DEFAULT_GOAL := help
.PHONY: help run check test race lint generate migration fuzz integration ci golden bench bench-images images packages

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the service with its own Postgres
	go run ./cmd/mocktenant

check: ## check generated files, lint, and run the tests, using cached results
	.ci/run check

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector
	.ci/run test

lint: ## run vet and the linter
	.ci/run lint

generate: ## write queries/ and internal/db from internal/entity, queries/ and migrations/, api and client from api/openapi.yaml
	go run ./internal/entity/gen
	go tool -modfile=tools/sqlc.mod sqlc generate
	go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config api/oapi-codegen.yaml api/openapi.yaml
	go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config client/oapi-codegen.yaml api/openapi.yaml

migration: ## make an empty migration: make migration NAME=add_something
	@test -n '$(NAME)' || { echo 'name it: make migration NAME=add_something'; exit 2; }
	@all=$$(printf -- '-- +goose StatementBegin\n\n-- +goose StatementEnd'); \
	file=$$(printf 'migrations/%05d_%s.sql' $$(($$(ls migrations/*.sql | wc -l) + 1)) '$(NAME)'); \
	printf -- '-- +goose Up\n%s\n\n-- +goose Down\n%s\n' "$$all" "$$all" >$$file; echo "made $$file"

golden: ## rewrite the golden exchanges, the help, docs/settings.md and docs/reporting.md from the current behaviour
	go test ./internal/graph -run TestExchanges -update
	go test ./cmd/mocktenant -run 'TestHelp|TestSettingsPage|TestRefusals' -update
	go test ./internal/admin -run 'TestReports$$|TestReportingColumns' -update

fuzz: ## fuzz each target, FUZZTIME (30s) each
	FUZZTIME=$${FUZZTIME:-30s} .ci/run fuzz

integration: ## run the tests on a Postgres container
	.ci/run integration

bench: ## compare with pgbench and write docs/performance.md
	go run ./internal/bench -write

# Both images are made from a binary that Go builds on this machine. So only one base image is
# needed: the Postgres of the standalone image, whose shell also assembles the other image.
POSTGRES_IMAGE ?= $(or $(TEST_POSTGRES_IMAGE),postgres:17)
TARGETARCH ?= $(shell go env GOARCH)
image = docker build --platform=linux/$(TARGETARCH) --build-arg TARGETARCH=$(TARGETARCH) --build-arg PREBUILT=dist/image \
	--build-arg GO_IMAGE=$(POSTGRES_IMAGE) --build-arg POSTGRES_IMAGE=$(POSTGRES_IMAGE)

images: ## make mocktenant:dev and mocktenant:dev-standalone (POSTGRES_IMAGE, TARGETARCH)
	mkdir -p dist/image
	CGO_ENABLED=0 GOOS=linux GOARCH=$(TARGETARCH) go build -trimpath -tags=nomsgpack,grpcnotrace -ldflags='-s -w' -o dist/image/linux/$(TARGETARCH)/mocktenant ./cmd/mocktenant
	cp "$$(ls /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/cert.pem /etc/ssl/cert.pem 2>/dev/null | head -1)" dist/image/ca-certificates.crt
	$(image) --target=standalone -t mocktenant:dev-standalone .
	$(image) --target=mocktenant -t mocktenant:dev .

packages: ## make archives, the Debian package, the cask and the scoop manifest in dist/release
	IMAGE=mocktenant TAP_TOKEN= go tool -modfile=tools/goreleaser.mod goreleaser release --snapshot --clean --skip=publish,announce,docker,sbom,sign

bench-images: ## measure the images: starts, sizes, memory
	go test -tags=integration -run='^$$' -bench=. -benchtime=5x ./test/images

ci: ## run everything that CI runs
	.ci/run
