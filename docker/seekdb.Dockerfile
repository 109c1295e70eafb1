# OceanBase's kernel as a single-node server. The wheel carries a plain executable that needs no
# Python to run; pip is only its courier. The mysql client is for the health check and the register
# job.
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends mariadb-client \
 && rm -rf /var/lib/apt/lists/*
COPY seekdb-requirements.txt /tmp/
RUN pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes \
      --target /opt/seekdb --requirement /tmp/seekdb-requirements.txt \
 && useradd --system --create-home --home-dir /var/lib/seekdb --shell /usr/sbin/nologin seekdb
# It reports each start to its makers unless telemetry is off.
ENV LD_LIBRARY_PATH=/opt/seekdb/pylibseekdb \
    TELEMETRY_ENABLED=false
USER seekdb
WORKDIR /var/lib/seekdb
EXPOSE 2881
ENTRYPOINT ["/opt/seekdb/pylibseekdb/seekdb", "--nodaemon"]
CMD ["--port", "2881", "--base-dir", "/var/lib/seekdb"]
