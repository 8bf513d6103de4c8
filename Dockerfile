# syntax=docker/dockerfile:1
# Weir as an image with nothing else in it: one static binary and the certificates of the public authorities.
#
#   docker build -t weir .
#   docker run --rm -p 8080:8080 -p 127.0.0.1:9090:9090 -v ./weir.yaml:/etc/weir/weir.yaml:ro --env-file keys.env weir

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install --no-install-recommends -y cmake musl-tools ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches outlive this step, the binary must leave it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-musl" \
 && rustup target add "$target" \
 && CC=musl-gcc cargo build --locked --release --target "$target" --bin weir \
 && install -s -D "target/$target/release/weir" /out/usr/local/bin/weir \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
 && install -d /out/etc/weir /state/var/lib/weir

# Nothing to pin, nothing to update, no shell.
FROM scratch
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="An edge proxy for LLM traffic" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
# A volume mounted here belongs to the user who writes the ledger.
COPY --from=build --chown=65532:65532 /state/ /
USER 65532:65532
EXPOSE 8080 9090
# SIGTERM drains for up to `server.drain_timeout`: give it time with `docker stop --time 660` or `stop_grace_period`.
STOPSIGNAL SIGTERM
# Asks `/livez` at the admin address of the configuration; orchestrators ask `/readyz` there themselves.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/weir", "health", "--live", "-c", "/etc/weir/weir.yaml"]
ENTRYPOINT ["/usr/local/bin/weir"]
CMD ["run", "-c", "/etc/weir/weir.yaml"]
