# Two images:
#
#   docker build --target=mocktenant -t mocktenant .             the service; needs DATABASE_URL
#   docker build --target=standalone -t mocktenant:standalone .  with a Postgres inside
#
# `make images` makes both from a binary that Go built on this machine. Nothing
# here needs BuildKit.

# What the images are made from.
ARG GO_IMAGE=golang:1.26
ARG BASE_IMAGE=scratch
ARG POSTGRES_IMAGE=postgres:17

# The program, and what else an empty image lacks. PREBUILT is a folder, of the
# context, with the program and ca-certificates.crt: it takes the place of
# compiling, and then any image with a shell does as GO_IMAGE.
FROM ${GO_IMAGE} AS build
ARG PREBUILT=
ARG TARGETARCH=
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
        cp "$PREBUILT/mocktenant" /image/bin/; \
    else \
        cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; \
        CGO_ENABLED=0 GOARCH="$TARGETARCH" go build -trimpath -ldflags='-s -w' -o /image/bin/mocktenant ./cmd/mocktenant; \
    fi

# The Postgres, whose cluster is made, and migrated, here and now. No key of
# anybody is made, so that no two containers share one.
FROM ${POSTGRES_IMAGE} AS standalone
USER 0:0
RUN set -eu; \
    echo 'mocktenant:x:65532:65532:mocktenant:/var/lib/mocktenant:/sbin/nologin' >>/etc/passwd; \
    echo 'mocktenant:x:65532:' >>/etc/group; \
    mkdir -p /var/lib/mocktenant /seed; \
    chown 65532:65532 /var/lib/mocktenant
COPY --from=build /image/bin/mocktenant /usr/local/bin/mocktenant
USER 65532:65532
ENV MOCKTENANT_DATA_DIR=/var/lib/mocktenant \
    MOCKTENANT_HTTP_ADDR=:8080 \
    MOCKTENANT_HTTPS_ADDR=:8443 \
    MOCKTENANT_DEMO=true
RUN ["mocktenant", "migrate", "up"]
EXPOSE 8080 8443
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
    MOCKTENANT_HTTPS_ADDR=:8443
EXPOSE 8080 8443 8081
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s CMD ["mocktenant", "healthcheck"]
ENTRYPOINT ["mocktenant"]
CMD ["serve"]
