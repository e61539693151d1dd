"""The configuration: what may stand in it, and the sentences about what may not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from hypothesis import example, given
from hypothesis import strategies as st

from gen3sync.config import (
    InvalidConfigError,
    Settings,
    as_toml,
    config_schema,
    default_config_path,
    effective,
    load_settings,
    state_folder,
)
from gen3sync.config.cron import check_cron, read_cron
from gen3sync.config.lines import line_numbers, line_of
from gen3sync.config.load import from_text
from gen3sync.config.values import (
    read_duration,
    read_share,
    read_size,
    write_duration,
    write_share,
    write_size,
)
from gen3sync.errors import ConfigError, ExitCode

LAB = Path("/lab/gen3sync.toml")
BARE = '[outbox]\npath = "outbox"\n[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
MIRROR = BARE + '[[inbox.mirror]]\nprojects = ["*"]\nnodes = ["*"]\n'
KEY = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def load(text: str) -> Settings:
    return from_text(text, LAB, {"HOME": "/home/lab"})


def problems(text: str) -> dict[str, str]:
    """What is said of each key."""
    with pytest.raises(InvalidConfigError) as caught:
        load(text)
    return {problem.key: str(problem) for problem in caught.value.problems}


# --- what may stand in it -------------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_file_and_home_is_known() -> None:
    settings = load(BARE.replace('"outbox"', '"~/data/../outbox"') + '[commons]\nca_file = "tls/ca.pem"\n')
    assert settings.path == LAB
    assert settings.outbox.path == Path("/home/lab/outbox")
    assert (settings.outbox.sent, settings.outbox.rejected) == (Path("/home/lab/sent"), Path("/home/lab/rejected"))
    assert settings.inbox.path == Path("/lab/inbox")
    assert settings.state.ledger == Path("/lab/state/ledger.sqlite")
    assert settings.commons.ca_file == Path("/lab/tls/ca.pem")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(BARE).outbox.settle = 1.0


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("https://commons.example.org", "https://commons.example.org"),
        ("https://Commons.example.org:8443/", "https://commons.example.org:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_addresses(told: str, meant: str) -> None:
    assert load(f'{BARE}[commons]\nurl = "{told}"\n').commons.url == meant


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("http://commons.example.org", "https://"),
        ("http://localhost.example.org", "https://"),
        ("http://10.0.0.1", "https://"),
        ("commons.example.org", "must be an address"),
        ("ftp://commons.example.org", "must be an address"),
        ("https://commons.example.org/user", "without a path"),
        ("https://x:99999", "must be an address"),
        ("https://x y", "must be an address"),
        ("https:// ", "must be an address"),
    ],
)
def test_addresses_that_are_refused(told: str, why: str) -> None:
    said = problems(f'{BARE}[commons]\nurl = "{told}"\n')["commons.url"]
    assert why in said
    assert 'for example url = "https://commons.example.org"' in said


def test_models_built_by_hand_take_numbers_and_leave_paths() -> None:
    from gen3sync.config import OutboxSettings

    outbox = OutboxSettings(path=Path("/x/outbox"), settle=0.05, chunk_bytes=5000)
    assert (outbox.settle, outbox.chunk_bytes, outbox.sent) == (0.05, 5000, Path("/x/sent"))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("\ufeff" + BARE)
    assert load_settings(tmp_path / "x.toml", {}).inbox.path == tmp_path / "inbox"


# --- all problems at once -------------------------------------------------------------------------------------------

WRONG = """\
[commons]
url = "http://commons.example.org"
[outbox]
path = "outbox"
setle = "2s"
rescan = "often"
watch = "inotfy"
parallel = "3"
ready_marker = "yes"
chunk_rows = 0
on_invalid = 3
[[outbox.route]]
program = "a/b"
pattern = ""
[inbox]
path = "outbox/mirrors"
filename = "{node}.tsv"
max_shrink = 50
every = "5m"
[[inbox.mirror]]
name = "one"
projects = "DEV/test"
nodes = []
[[inbox.mirror]]
name = "one"
projects = ["*"]
nodes = ["*"]
every = "1m"
jitter = "2m"
[[inbox.mirror]]
projects = ["*"]
nodes = ["*"]
every = "1m"
cron = "0 25 * * 1"
timezone = "Mars/Olympus"
[log]
levl = "info"
[sate]
path = "state"
"""


def test_all_problems_are_told_at_once_each_with_line_key_and_remedy() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        load(WRONG)
    assert str(caught.value) == (
        "/lab/gen3sync.toml has 26 problems:\n"
        '  state: the section [state] is missing; for example [state] with path = "state"\n'
        "  line 2, commons.url: must begin with https:// (plain http would show the key to the network), not"
        ' "http://commons.example.org"; for example url = "https://commons.example.org"\n'
        "  line 5, outbox.setle: [outbox] has no such key; did you mean `settle`?\n"
        '  line 6, outbox.rescan: must be a duration such as "2s", "15m", "1h30m" or "90d", not "often"; for example'
        ' rescan = "1m"\n'
        '  line 7, outbox.watch: must be one of auto, inotify, poll, off, not "inotfy"; for example watch = "auto"\n'
        '  line 8, outbox.parallel: must be a whole number, without quotes, not "3"; for example parallel = 2\n'
        '  line 9, outbox.ready_marker: must be true or false, without quotes, not "yes"; for example ready_marker ='
        " true\n"
        "  line 10, outbox.chunk_rows: must be at least 1, not 0; for example chunk_rows = 1000\n"
        '  line 11, outbox.on_invalid: must be one of split, reject, not 3; for example on_invalid = "split"\n'
        '  line 12, outbox.route[1].project: is missing; for example project = "test"\n'
        '  line 13, outbox.route[1].program: must be a name without slashes, not "a/b"; for example program = "DEV"\n'
        '  line 14, outbox.route[1].pattern: must not be empty, not ""; for example pattern = "cases/*.tsv"\n'
        "  line 16, inbox.path: /lab/outbox/mirrors lies inside outbox.path (/lab/outbox); keep them side by side\n"
        "  line 17, inbox.filename: must hold {project} and {node}, or files would overwrite each other, not"
        ' "{node}.tsv"; for example filename = "{program}/{project}/{node}.{format}"\n'
        '  line 18, inbox.max_shrink: must be from "0 %" to "100 %" (or 0 to 1), not 50; for example max_shrink ='
        ' "50 %"\n'
        "  line 19, inbox.every: [inbox] has no such key; `every` belongs under [[inbox.mirror]]\n"
        '  line 20, inbox.mirror[1]: says neither `every` nor `cron`; for example every = "15m"\n'
        '  line 22, inbox.mirror[1].projects: must be a list in square brackets, not "DEV/test"; for example projects ='
        ' ["DEV/test", "DEV-*"]\n'
        '  line 23, inbox.mirror[1].nodes: must name at least one; for example nodes = ["case", "sample"]\n'
        "  line 25, inbox.mirror[2].name: is the name of mirror 1 as well\n"
        '  line 29, inbox.mirror[2].jitter: must be shorter than `every`; for example jitter = "30s"\n'
        "  line 34, inbox.mirror[3].cron: says both `every` and `cron`; keep one\n"
        "  line 34, inbox.mirror[3].cron: is no time (Error validating expression '25': the last value (25) is higher"
        ' than the maximum value (23)); for example cron = "0 6 * * mon-fri"\n'
        '  line 35, inbox.mirror[3].timezone: "Mars/Olympus" is no time zone; for example timezone = "Europe/Berlin"\n'
        "  line 37, log.levl: [log] has no such key; did you mean `level`?\n"
        "  line 38, sate: there is no such section; did you mean `state`?\n"
        " Correct the file and run `gen3sync check`."
    )
    assert caught.value.exit_code == ExitCode.CONFIG
    assert all(problem.file == LAB for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (BARE + '[outbox.route]\npattern = "x"\n', "outbox.route", "write [[outbox.route]] with double brackets"),
        ("outbox = 3\n", "outbox", "must be a section: write [outbox] and its keys below"),
        ('settle = "2s"\n' + BARE, "settle", "`settle` belongs under [outbox]"),
        (BARE + "[commons]\nzzz = 1\n", "commons.zzz", "there are url, credentials"),
        (BARE + "[commons]\ndeadline = true\n", "commons.deadline", "must be a duration"),
        (BARE + "[commons]\ndeadline = 0\n", "commons.deadline", "must be more than 0"),
        (BARE + "[commons]\nca_file = 3\n", "commons.ca_file", "must be a path in quotes"),
        (BARE + '[commons]\nca_file = " "\n', "commons.ca_file", "must not be empty"),
        (BARE + '[commons]\nca_file = "a\\u0000b"\n', "commons.ca_file", "NUL"),
        (BARE.replace('path = "inbox"', 'path = "inbox"\nparallel = 17'), "inbox.parallel", "must be at most 16"),
        (BARE + '[metrics]\nlisten = ":9473"\n', "metrics.listen", "must be an IP address and a port"),
        (BARE + '[metrics]\nlisten = "lab.example.org:9473"\n', "metrics.listen", "must be an IP address and a port"),
        (BARE + '[metrics]\nlisten = "::1:9473"\n', "metrics.listen", "must be an IP address and a port"),
        (BARE + '[metrics]\nlisten = "127.0.0.1:0"\n', "metrics.listen", "must be an IP address and a port"),
        (BARE + '[metrics]\nlisten = "0.0.0.0:9473"\n', "metrics.listen", "so it has to be meant: expose = true"),
        (MIRROR + 'cron = "0 6 * *"\n', "inbox.mirror[1].cron", "must have five fields"),
        (MIRROR + 'cron = "0 6 1 * 1"\n', "inbox.mirror[1].cron", "must not name both"),
        (MIRROR + 'cron = "0 6 * * monday"\n', "inbox.mirror[1].cron", "no weekday"),
        (MIRROR + 'cron = "0 0 31 2 *"\n', "inbox.mirror[1].cron", "never comes"),
        (MIRROR + 'every = "5m"\ntimezone = "Europe/Berlin"\n', "inbox.mirror[1].timezone", "without `cron`"),
        (MIRROR + 'cron = "0 6 * * *"\ntimezone = "../etc/passwd"\n', "inbox.mirror[1].timezone", "no time zone"),
        (MIRROR + 'every = "100ms"\n', "inbox.mirror[1].every", "must be at least 1"),
        (MIRROR + 'every = "5m"\nformat = "csv"\n', "inbox.mirror[1].format", "must be one of tsv, json"),
    ],
)
def test_single_faults(text: str, key: str, said: str) -> None:
    assert said in problems(text)[key]


@pytest.mark.parametrize(
    "name",
    [
        "{node.x}/{project}",
        "{project}/{node!r}",
        "{project}/{node}/{}",
        "/{project}/{node}",
        "../{project}/{node}",
        ".x/{project}{node}",
        "{project}//{node}",
        "{project}{node",
        "{project}\\\\{node}",
    ],
)
def test_file_name_patterns_cannot_leave_the_inbox_or_reach_into_objects(name: str) -> None:
    assert "inbox.filename" in problems(BARE.replace('path = "inbox"', f'path = "inbox"\nfilename = "{name}"'))


# --- folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outbox", "inbox", "state", "key"),
    [
        ("a", "a", "s", "inbox.path"),
        ("a", "a/b", "s", "inbox.path"),
        ("a/b", "a", "s", "outbox.path"),
        ("a", "b", "a/s", "state.path"),
        ("a", "b", "b", "state.path"),
        ("a", "sent/x", "s", "inbox.path"),
        ("s/a", "b", "s", "outbox.path"),
        ("a", "./x/../a/", "s", "inbox.path"),
    ],
)
def test_folders_must_not_hold_one_another(outbox: str, inbox: str, state: str, key: str) -> None:
    assert key in problems(f'[outbox]\npath = "{outbox}"\n[inbox]\npath = "{inbox}"\n[state]\npath = "{state}"\n')


def test_folders_are_compared_with_links_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    text = '[outbox]\npath = "real"\n[inbox]\npath = "link/in"\n[state]\npath = "s"\n'
    with pytest.raises(InvalidConfigError, match=r"lies inside outbox\.path"):
        from_text(text, tmp_path / "x.toml", {})


def test_the_key_file_and_the_ledger_must_not_lie_where_others_look() -> None:
    found = problems(BARE + 'ledger = "inbox/l.sqlite"\n[commons]\ncredentials = "outbox/credentials.json"\n')
    assert "/lab/inbox" in found["state.ledger"]
    assert "/lab/outbox" in found["commons.credentials"]


# --- secrets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f'credentials = \'{{"api_key": "{KEY}", "key_id": "1"}}\'',
        f'credentials = "{KEY}"',
        f'url = "https://{KEY}@commons.example.org"',
        'url = "https://user:hunter2@commons.example.org"',
        f'url = "{KEY}"',
        f'deadline = "{KEY}"',
        f'api_key = "{KEY}"',
        f'[log]\nlevel = "{KEY}"',
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(line: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        load(f"{BARE}[commons]\n{line}\n")
    told = str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    assert KEY not in told
    assert "hunter2" not in told


def test_a_key_in_the_environment_does_not_pass_through_the_settings() -> None:
    settings = from_text(BARE, LAB, {"HOME": "/home/lab", "GEN3_API_KEY": KEY})
    assert KEY not in repr(settings) + as_toml(settings) + json.dumps(effective(settings))


def test_text_that_looks_like_a_key_is_masked_when_settings_are_shown() -> None:
    settings = load(BARE.replace('path = "outbox"', f'path = "outbox"\nignore = ["{KEY}"]'))
    assert effective(settings)["outbox"]["ignore"] == ["***"]


# --- finding and reading --------------------------------------------------------------------------------------------


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    here, home, xdg = tmp_path / "here", tmp_path / "home", tmp_path / "xdg"
    here.mkdir()
    env = {"HOME": str(home)}
    with pytest.raises(ConfigError) as caught:
        default_config_path(env, here)
    for place in (here / "gen3sync.toml", home / ".config/gen3sync/config.toml", "/etc/gen3sync/config.toml"):
        assert str(place) in caught.value.what
    assert "gen3sync init" in caught.value.remedy
    for found_by, path in [
        (env, home / ".config/gen3sync/config.toml"),
        (env | {"XDG_CONFIG_HOME": str(xdg)}, xdg / "gen3sync/config.toml"),
        (env | {"XDG_CONFIG_HOME": str(xdg)}, here / "gen3sync.toml"),
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert default_config_path(found_by, here) == path
    assert default_config_path(env | {"GEN3SYNC_CONFIG": "/x/named.toml"}, here) == Path("/x/named.toml")


def test_a_named_file_that_is_missing_is_told_and_nothing_else_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml.*gen3sync init"):
        load_settings(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigError, match="missing"):
        load_settings(None, {"GEN3SYNC_CONFIG": str(tmp_path / "missing.toml")})
    with pytest.raises(ConfigError, match="it is a folder"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[outbox\n", "line 1, column 8"),
        (b"[outbox]\npath = outbox\n", "line 2, column 8"),
        (b'[outbox]\npath = "C:\\data"\n', "single quotes"),
        (b"[outbox]\npath = 'a'\npath = 'b'\n", "line 3"),
        (b"# gr\xfc\xdfe\n", "line 1: the text is not UTF-8"),
    ],
)
def test_broken_toml_names_the_place(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_the_state_folder_is_found_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[outbox]\nnonsense = 1\n[state]\npath = "~/s"\n')
    assert state_folder(path, {"HOME": "/home/lab"}) == (Path("/home/lab/s"), None)
    path.write_text("[state]\n")
    with pytest.raises(ConfigError, match="missing"):
        state_folder(path, {})


@pytest.mark.parametrize(
    "text",
    [
        '[state]\npath = "s"\n[outbox\n',
        '[outbox]\npath = out\n\n[state]  # ours\n# a remark\npath = "s"\n',
        'x = [\n[state]\npath = "s"\nledger = \n',
        '[notify]\nurls = ["a"\n[state]\npath = "s"',
    ],
)
def test_the_state_folder_is_found_in_a_text_that_is_no_toml_elsewhere(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    folder, broken = state_folder(path, {})
    assert folder == tmp_path / "s"
    assert broken is not None
    assert "not TOML" in broken.what


@pytest.mark.parametrize("text", ['[state]\npath = "s', "[outbox\n", "[state]\npath = 3\n[x\n"])
def test_a_state_folder_that_nobody_can_tell_is_not_guessed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not TOML"):
        state_folder(path, {})


def test_finding_the_state_folder_loads_neither_pydantic_nor_the_scheduler() -> None:
    program = (
        "import sys; from gen3sync.config import state_folder\n"
        "sys.exit(bool({'pydantic', 'apscheduler', 'sqlalchemy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_lines_are_found_in_every_layout() -> None:
    text = '''# [not.a.header]
[outbox]   # comment
path = """
[inbox]
settle = 3
"""
ignore = [
  "a", # ]
  "settle = 3",
]
settle = '2s'
[[inbox.mirror]]
every = "1m"
[[inbox.mirror]]
"every" = "2m"
[log]
level.deep = 1
'''
    lines = line_numbers(text)
    assert lines[("outbox",)] == 2
    assert lines[("outbox", "path")] == 3
    assert ("inbox",) not in lines
    assert lines[("outbox", "settle")] == 11
    assert lines[("inbox", "mirror", 1, "every")] == 15
    assert lines[("log", "level", "deep")] == 17
    assert line_of(lines, ("inbox", "mirror", 1, "cron")) == 14
    assert line_of(lines, ("state", "path")) is None


@given(st.text(alphabet="[]{}=\"'#\\.\n ab"))
def test_looking_for_lines_never_fails(text: str) -> None:
    line_numbers(text)


# --- shown again ----------------------------------------------------------------------------------------------------

FULL = (
    MIRROR
    + 'cron = "30 6 * * 1-5"\ntimezone = "Europe/Berlin"\nmax_age = "36h"\n'
    + '[[inbox.mirror]]\nname = "fast"\nprojects = ["DEV/test"]\nnodes = ["case"]\nevery = "10s"\njitter = "1.5s"\n'
    + '[[outbox.route]]\npattern = "caf\\u00e9 \\"*\\".tsv"\nprogram = "DEV"\nproject = "test"\n'
).replace('path = "outbox"', 'path = "outbox"\nkeep = "90d"\nchunk_bytes = "1 MiB"')


@pytest.mark.parametrize("text", [BARE, FULL])
def test_what_is_shown_loads_to_the_same(text: str) -> None:
    settings = load(text)
    assert load(as_toml(settings)) == settings
    assert tomli.loads(re.sub(r"^#.*\n", "", as_toml(settings), flags=re.M))["state"]["path"] == "/lab/state"


def test_effective_settings_read_as_people_write_them() -> None:
    shown = effective(load(FULL))
    json.dumps(shown)
    assert shown["outbox"]["keep"] == "90d"
    assert shown["outbox"]["chunk_bytes"] == "1048576 B"
    assert shown["commons"]["read_timeout"] == "5m30s"
    assert shown["inbox"]["max_shrink"] == "50 %"
    assert shown["inbox"]["mirror"][0]["cron"] == "30 6 * * mon,tue,wed,thu,fri"
    assert "path" not in shown


def test_the_schema_knows_every_section_and_refuses_unknown_keys() -> None:
    schema = config_schema()
    assert set(schema["properties"]) == {"commons", "outbox", "inbox", "state", "log", "metrics", "notify"}
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["OutboxSettings"]["properties"]["settle"]["type"] == ["string", "number"]
    json.dumps(schema)


@pytest.mark.parametrize("listen", ["127.0.0.1:9473", "[::1]:9473", "localhost:9473", "127.8.8.8:1"])
def test_metrics_on_loopback_need_no_more_than_an_address(listen: str) -> None:
    assert load(BARE + f'[metrics]\nlisten = "{listen}"\n').metrics.listen == listen


def test_metrics_for_other_machines_have_to_be_meant() -> None:
    assert load(BARE + '[metrics]\nlisten = "0.0.0.0:9473"\nexpose = true\n').metrics.expose


# --- cron -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("0 6 * * 1", "0 6 * * mon"),
        ("0 6 * * 0", "0 6 * * sun"),
        ("0 6 * * 7", "0 6 * * sun"),
        ("0 6 * * 1-5", "0 6 * * mon,tue,wed,thu,fri"),
        ("0 6 * * 5-7", "0 6 * * sun,fri,sat"),
        ("0 6 * * FRI-mon", "0 6 * * sun,mon,fri,sat"),
        ("0 6 * * */2", "0 6 * * sun,tue,thu,sat"),
        ("0 6 * * 0-6", "0 6 * * *"),
        ("*/15 8-18 * * *", "*/15 8-18 * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
    ],
)
def test_cron_is_read_as_cron_means_it(told: str, meant: str) -> None:
    assert read_cron(told) == meant
    check_cron(meant, "UTC")


def test_monday_is_monday_for_the_scheduler_too() -> None:
    from datetime import UTC, datetime

    from apscheduler.triggers.cron import CronTrigger

    trigger = CronTrigger.from_crontab(read_cron("0 6 * * 1"), timezone="UTC")
    assert trigger.get_next_fire_time(None, datetime(2026, 11, 18, tzinfo=UTC)).strftime("%a") == "Mon"


# --- durations, sizes, shares ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2), ("15m", 900), ("1h30m", 5400), ("1h 30 min", 5400), ("1.5 h", 5400), ("250ms", 0.25),
     ("90d", 7_776_000), ("2 weeks", 1_209_600), (" 1D ", 86_400), ("0s", 0), (5, 5), (0.05, 0.05)],
)  # fmt: skip
def test_durations(text: object, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "s", "-2s", "2 parsecs", "30m1h", "1h1h", "1,5h", "1e3s", None, True, [], -1,
                                  float("nan"), float("inf"), "9" * 400 + "s"])  # fmt: skip
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("900 kB", 900_000), ("50 MB", 50_000_000), ("1 MiB", 1_048_576), ("1.5KB", 1500), ("2 gb", 2 * 10**9), ("7", 7),
     (8, 8), ("5 b", 5)],
)  # fmt: skip
def test_sizes(text: object, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1 MB", "0.3 B", "1 XB", None, True, 1.5, -1])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="must be a"):
        read_size(text)


@pytest.mark.parametrize(("text", "share"), [("50 %", 0.5), ("0%", 0), ("12.5%", 0.125), (0.5, 0.5), (1, 1)])
def test_shares(text: object, share: float) -> None:
    assert read_share(text) == share


@pytest.mark.parametrize("text", ["50", "half", 50, -0.1, True, None, "101 %"])
def test_what_is_no_share(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        read_share(text)


@given(st.floats(0, 3e10) | st.integers(0, 10**10))
@example(1e-300)
@example(0.1 + 0.2)
def test_durations_read_back_as_written(seconds: float) -> None:
    assert read_duration(write_duration(seconds)) == seconds


@given(st.integers(0, 2**63 - 1))
def test_sizes_read_back_as_written(size: int) -> None:
    assert read_size(write_size(size)) == size


@given(st.floats(0, 1))
def test_shares_read_back_as_written(share: float) -> None:
    assert read_share(write_share(share)) == share


# --- [notify]: addresses are secrets, also when they are wrong


TARGET = "slack://T0KENaaaa1/B0KENbbbb2/ckenCCCCC3"


def notify(text: str) -> str:
    return f'[outbox]\npath = "outbox"\n[inbox]\npath = "inbox"\n[state]\npath = "state"\n[notify]\n{text}\n'


def test_the_addresses_of_notifications_are_never_shown(tmp_path: Path) -> None:
    settings = from_text(notify(f'urls = ["{TARGET}"]'), tmp_path / "gen3sync.toml", {})
    assert settings.notify.urls[0].get_secret_value() == TARGET
    for shown in (repr(settings), str(settings.notify), as_toml(settings), json.dumps(effective(settings))):
        assert "KEN" not in shown


@pytest.mark.parametrize(
    "wrong", [f'urls = "{TARGET}"', f'urls = ["x", "{TARGET[8:]}"]', f'urls = [["{TARGET}"]]', f'url = "{TARGET}"']
)
def test_wrong_addresses_are_told_without_showing_them(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(notify(wrong), tmp_path / "gen3sync.toml", {})
    assert "notify.url" in str(caught.value)
    assert "KEN" not in str(caught.value)


def test_times_of_day(tmp_path: Path) -> None:
    path = tmp_path / "gen3sync.toml"
    assert from_text(notify('digest = "7:30"'), path, {}).notify.digest == "07:30"
    assert from_text(notify('digest = "off"'), path, {}).notify.digest == "off"
    for wrong in ('"25:00"', '"noon"', "730", "true"):
        with pytest.raises(ConfigError, match="digest"):
            from_text(notify(f"digest = {wrong}"), path, {})


def test_unknown_news_are_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rejects, parked, mirrors, key, daemon, digest"):
        from_text(notify('events = ["everything"]'), tmp_path / "gen3sync.toml", {})
