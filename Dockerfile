# Wheels are built and installed in the first stage, from locked and hashed packages; the second has neither pip's
# leavings nor sources.
FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv --without-pip /app
COPY requirements requirements
RUN pip --python /app install --require-hashes --only-binary=:all: -r requirements/run.txt \
 && pip install --require-hashes --only-binary=:all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY consumer consumer
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./contracts . \
 && pip --python /app install --no-deps --no-index /wheels/*.whl \
 && python -m compileall -q /app/lib

FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea
COPY --from=build /app /app
RUN useradd --uid 10001 --no-create-home --home-dir /state --shell /usr/sbin/nologin consumer \
 && install --directory --owner consumer --group consumer --mode 0700 /state
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HTTP_ADDRESS=0.0.0.0:8080 \
    STATE_DIR=/state
# What has been executed already is remembered here: keep it across containers.
VOLUME /state
WORKDIR /state
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["python", "-m", "consumer"]
