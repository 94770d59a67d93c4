FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends make ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home desk \
    && install -d -o desk /data
WORKDIR /app
COPY --chown=desk . .
RUN chown desk /app
USER desk
RUN make install
ENV PATH=/app/.venv/bin:$PATH
EXPOSE 8000
CMD ["desk", "serve"]
