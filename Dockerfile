# docker build -t cni-notifier . ; docker-compose.yml shows how to run it.

FROM python:3.13.7-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /tools && /tools/bin/pip install --require-hashes -r requirements-dev.lock
RUN python -m venv --without-pip /opt/notifier \
    && /tools/bin/pip --python /opt/notifier install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY notifier notifier
COPY migrations migrations
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/notifier install --no-deps --no-index /wheels/*.whl

FROM python:3.13.7-slim-bookworm
COPY --from=build /opt/notifier /opt/notifier
RUN rm -r /usr/local/lib/python3.13/ensurepip /usr/local/lib/python3.13/site-packages/pip* /usr/local/bin/pip* \
    && install --directory --owner=10001 --group=10001 --mode=700 /var/lib/notifier
ENV PATH=/opt/notifier/bin:$PATH HOME=/var/lib/notifier PYTHONUNBUFFERED=1
WORKDIR /var/lib/notifier
USER 10001:10001
ENTRYPOINT ["notifier"]
CMD ["run"]
