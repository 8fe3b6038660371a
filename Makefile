# Everything here is also a plain command; see docs/development.md.
.DEFAULT_GOAL := help
.PHONY: help run test race lint generate migration fuzz integration ci golden bench bench-images images

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the service on a Postgres of its own
	go run ./cmd/mocktenant

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector
	.ci/run test

lint: ## run vet and the linter
	.ci/run lint

generate: ## write internal/db from queries/ and migrations/, internal/admin and client from openapi.yaml
	go tool -modfile=tools/sqlc.mod sqlc generate
	go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config internal/admin/oapi-codegen.yaml internal/admin/openapi.yaml
	go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config client/oapi-codegen.yaml internal/admin/openapi.yaml

migration: ## make an empty migration: make migration NAME=add_something
	go tool -modfile=tools/goose.mod goose -dir migrations -s create $(NAME) sql

golden: ## rewrite the golden exchanges from what the service answers now, and what the help and docs/settings.md say
	go test ./internal/graph -run TestExchanges -update
	go test ./cmd/mocktenant -run 'TestHelp|TestSettingsPage' -update

fuzz: ## fuzz each target, FUZZTIME (30s) each
	FUZZTIME=$${FUZZTIME:-30s} .ci/run fuzz

integration: ## run the tests on a Postgres container
	.ci/run integration

bench: ## measure beside pgbench and write docs/performance.md
	go run ./internal/bench -write

# Both images are made from a program that Go builds here, so that one image must be
# there or be pulled: the Postgres of the one, whose shell also assembles the other.
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

bench-images: ## measure the images: starts, sizes, memory
	go test -tags=integration -run='^$$' -bench=. -benchtime=5x ./test/images

ci: ## run all that CI runs
	.ci/run
