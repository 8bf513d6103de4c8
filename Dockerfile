# syntax=docker/dockerfile:1
# Weir as a small image without a shell, run by a user without rights.
#
#   docker build -t weir .
#   docker run --rm -p 8080:8080 -p 127.0.0.1:9090:9090 -v ./weir.yaml:/etc/weir/weir.yaml:ro --env-file keys.env weir

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install --no-install-recommends -y cmake \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches outlive this step, the binary must leave it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin weir \
 && install -D target/release/weir /out/usr/local/bin/weir \
 && install -d /out/etc/weir /state/var/lib/weir

# glibc, libgcc and the certificates of the public authorities, and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="An edge proxy for LLM traffic" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
# A volume mounted here belongs to the user who writes the ledger.
COPY --from=build --chown=nonroot:nonroot /state/ /
USER nonroot
EXPOSE 8080 9090
# SIGTERM drains for up to `server.drain_timeout`: give it time with `docker stop --time 660` or `stop_grace_period`.
STOPSIGNAL SIGTERM
# There is no shell to run a check in; orchestrators ask `/livez` and `/readyz` on the admin port.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/weir"]
CMD ["run", "-c", "/etc/weir/weir.yaml"]
