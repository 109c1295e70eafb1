# obwarden alone: docker build -t obwarden .
FROM rust:1-slim-bookworm AS builder
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package obwarden --bin obwarden

FROM debian:bookworm-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin obwarden
COPY --from=builder /build/target/release/obwarden /usr/local/bin/obwarden
USER obwarden
EXPOSE 2889
ENTRYPOINT ["obwarden"]
