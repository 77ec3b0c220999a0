# The image of the scale profile: the one binary on a small Debian.
# The binary is built before: CGO_ENABLED=0 go build -o ampra .
FROM debian:bookworm-slim
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /data --no-create-home ampra \
 && mkdir -p /data /keys && chown ampra /data /keys && chmod 700 /data /keys
COPY ampra /usr/local/bin/ampra
USER ampra
WORKDIR /data
ENV AMPRA_DATA=/data
VOLUME ["/data", "/keys"]
EXPOSE 8080 1883 8883
ENTRYPOINT ["ampra"]
