# Two images:
#
#   docker build --target=mocktenant -t mocktenant .             the service; needs DATABASE_URL
#   docker build --target=standalone -t mocktenant:standalone .  with a Postgres inside
#
# `make images` makes both from a binary that Go builds on this machine. BuildKit isn't
# required.

# Base images.
ARG GO_IMAGE=golang:1.26
ARG BASE_IMAGE=scratch
ARG POSTGRES_IMAGE=postgres:17

# The program, and the other files that an empty image lacks. PREBUILT is a folder in the
# context with the program as linux/ARCHITECTURE/mocktenant, and ca-certificates.crt. With
# it nothing is compiled, so GO_IMAGE can be any image with a shell.
FROM ${GO_IMAGE} AS build
ARG PREBUILT=
ARG TARGETARCH=
ARG VERSION=
ARG COMMIT=
ARG DATE=
USER 0:0
WORKDIR /src
COPY . .
RUN set -eu; \
    mkdir -p /image/bin /image/etc/ssl/certs /image/tmp /image/seed; \
    chmod 1777 /image/tmp; \
    echo 'mocktenant:x:65532:65532:mocktenant:/tmp:/sbin/nologin' >/image/etc/passwd; \
    echo 'mocktenant:x:65532:' >/image/etc/group; \
    if [ -n "$PREBUILT" ]; then \
        cp "$PREBUILT/ca-certificates.crt" /image/etc/ssl/certs/; \
        cp "$PREBUILT/linux/$TARGETARCH/mocktenant" /image/bin/; \
    else \
        cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; \
        CGO_ENABLED=0 GOARCH="$TARGETARCH" go build -trimpath -tags=nomsgpack,grpcnotrace \
            -ldflags="-s -w -X=main.version=$VERSION -X=main.commit=$COMMIT -X=main.date=$DATE" -o /image/bin/mocktenant ./cmd/mocktenant; \
    fi

# Postgres. Its cluster is made and migrated here, in the folder in which it runs. The
# files have a second name: a container with a volume on that folder, or with another user,
# starts with a copy of them. The cluster contains no keys, so containers don't share any.
FROM ${POSTGRES_IMAGE} AS standalone
USER 0:0
RUN set -eu; \
    echo 'mocktenant:x:65532:65532:mocktenant:/tmp:/sbin/nologin' >>/etc/passwd; \
    echo 'mocktenant:x:65532:' >>/etc/group; \
    mkdir -p /var/lib/mocktenant /usr/share/mocktenant /seed; \
    chown 65532:65532 /var/lib/mocktenant /usr/share/mocktenant
COPY --from=build /image/bin/mocktenant /usr/local/bin/mocktenant
USER 65532:65532
ENV HOME=/tmp \
    MOCKTENANT_DATA_DIR=/var/lib/mocktenant
# WAL files of 1 MB instead of 16, because the first write to a file copies it.
RUN set -eu; \
    mocktenant migrate up; \
    cd /var/lib/mocktenant; \
    rm lock postgres.log; \
    pg_resetwal --wal-segsize=1 -D postgres; \
    chmod -R a+rX postgres; \
    cp -al postgres /usr/share/mocktenant/cluster; \
    chmod 0700 postgres
# The demo tenant's credentials are public, so publish the ports only on loopback. The
# Postgres password is random; mocktenant env prints it.
ENV MOCKTENANT_PG_BASE=/usr/share/mocktenant/cluster \
    MOCKTENANT_PG_LISTEN=* \
    MOCKTENANT_HTTP_ADDR=:8080 \
    MOCKTENANT_HTTPS_ADDR=:8443 \
    MOCKTENANT_ADMIN_ADDR=:8081 \
    MOCKTENANT_SEED_DIR=/seed \
    MOCKTENANT_DEMO=true
EXPOSE 8080 8443 8081 5432
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s CMD ["mocktenant", "healthcheck"]
ENTRYPOINT ["mocktenant"]
CMD ["serve"]

FROM ${BASE_IMAGE} AS mocktenant
COPY --from=build /image/ /
USER 65532:65532
ENV PATH=/bin \
    HOME=/tmp \
    MOCKTENANT_NO_OWN_POSTGRES=true \
    MOCKTENANT_HTTP_ADDR=:8080 \
    MOCKTENANT_HTTPS_ADDR=:8443 \
    MOCKTENANT_SEED_DIR=/seed
EXPOSE 8080 8443 8081
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s CMD ["mocktenant", "healthcheck"]
ENTRYPOINT ["mocktenant"]
CMD ["serve"]
