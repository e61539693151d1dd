"""The machine of the system tests: booted once a test process, with a sandbox commons in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.system.instance import ANN, Instance, Personal
from tests.system.machine import Machine, NoMachineError, boot, missing, until


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := missing():
        pytest.skip(why)
    try:
        with boot(tmp_path_factory.mktemp("machine")) as up:
            up.run("systemctl", "start", "commons")
            until(up.path("/run/commons-key.json").exists, what="the commons")
            yield up
    except NoMachineError as error:
        pytest.skip(str(error))


@pytest.fixture
def instance(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Callable[..., Instance]]:
    """Makes services, each with folders and a key of its own; they are stopped after the test."""
    made: list[Instance] = []

    def make(name: str, *, project: str = "", commons: str = "", kind: type[Instance] = Instance) -> Instance:
        if kind is Personal:
            machine.run("systemctl", "start", f"user@{ANN}")
        # People's studies are in a project of their own: two tests may name one alike.
        one = kind(machine, name, project or ("DEV/second" if kind is Personal else "DEV/test"), commons)
        made.append(one)
        one.configure()
        one.new_key()
        return one

    yield make
    machine.ask("faults", method="DELETE")
    for one in made:
        one.systemctl("kill", "-s", "KILL", check=False)
        one.systemctl("stop", check=False)
        one.systemctl("disable", check=False)
