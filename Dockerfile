# The image of a release. goreleaser, or .github/workflows/ci.yml, puts the binary
# into the build context as OS/ARCH/imagegate; nothing is compiled or fetched in
# here, so that the image holds the same bytes as the archives.
FROM gcr.io/distroless/static-debian13:nonroot@sha256:f7f8f729987ad0fdf6b05eeeae94b26e6a0f613bdf46feea7fc40f7bd72953e6
ARG TARGETPLATFORM
LABEL org.opencontainers.image.title="imagegate"
LABEL org.opencontainers.image.description="Decides whether a container image may ship."
LABEL org.opencontainers.image.source="https://github.com/imagegate/imagegate"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY $TARGETPLATFORM/imagegate /usr/bin/imagegate
# A number is what Kubernetes runAsNonRoot can verify without the image.
USER 65532:65532
# Policies and reports are mounted here.
WORKDIR /work
ENTRYPOINT ["/usr/bin/imagegate"]
