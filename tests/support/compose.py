"""Docker Compose's file format, as far as ours uses it: anything misspelt or of a wrong form is refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Span = Annotated[str, Field(pattern=r"^(\d+(ms|[smh]))+$")]
Size = Annotated[str, Field(pattern=r"^\d+[bkmg]$")]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(_Part):
    test: list[str]
    interval: Span
    timeout: Span
    retries: int
    start_period: Span = "0s"


class Dependency(_Part):
    condition: Condition


class Deploy(_Part):
    replicas: int = 1


class Logging(_Part):
    driver: Literal["json-file"]
    options: dict[str, str]


class SecretFile(_Part):
    file: str


class Service(_Part):
    image: str
    build: str | None = None
    user: str | None = None
    command: list[str] = []
    environment: dict[str, str]
    secrets: list[str] = []
    volumes: list[Annotated[str, Field(pattern=r"^[a-z]+:/")]] = []
    depends_on: dict[str, Dependency] = {}
    healthcheck: Healthcheck | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    deploy: Deploy = Deploy()
    stop_grace_period: Span | None = None
    read_only: bool
    tmpfs: list[str]
    cap_drop: list[str]
    security_opt: list[str]
    pids_limit: int | None = None
    mem_limit: Size | None = None
    logging: Logging


class Compose(_Part):
    """The whole file; fields that begin with `x-` are nothing to Compose."""

    services: dict[str, Service]
    volumes: dict[str, None]
    secrets: dict[str, SecretFile]

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, found: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in found.items() if not name.startswith("x-")}

    @model_validator(mode="after")
    def _names_what_is_there(self) -> "Compose":
        for name, service in self.services.items():
            for wanted, there in (
                (set(service.secrets), self.secrets),
                ({volume.partition(":")[0] for volume in service.volumes}, self.volumes),
                (set(service.depends_on), self.services),
            ):
                if strangers := wanted - set(there):
                    raise ValueError(f"{name} names what is not there: {sorted(strangers)}")
            for other, dependency in service.depends_on.items():
                if dependency.condition == "service_healthy" and self.services[other].healthcheck is None:
                    raise ValueError(f"{name} waits for the health of {other}, which is never checked")
        return self
